"""What a bundle would cost on a phone: graph → placement → latency, memory. Nothing is run.

graph       read_graph: ops with multiply-adds and bytes, from a .tflite file or an .mlpackage folder
placement   place: which compute unit, by the runtimes' rules
calibration coefficients fitted at load on published_latency.csv
latency     predict_latency: ms of one call and of each op, with an interval
memory      predict_memory: peak bytes
"""

from evaluators.costs.graph import Graph, Op, read_graph
from evaluators.costs.latency import LatencyPrediction, predict_latency
from evaluators.costs.memory import predict_memory
from evaluators.costs.placement import Placement, place

__all__ = ["Graph", "LatencyPrediction", "Op", "Placement", "place", "predict_latency", "predict_memory", "read_graph"]
