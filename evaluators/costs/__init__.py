"""What a bundle would cost on a phone: graph → placement → latency, memory. Nothing is run.

graph             Graph: ops with multiply-adds and bytes, as `evaluators.formats.read_graph` reads them
placement         Placement: which compute unit, by the runtimes' rules (`evaluators.formats.place`)
op_kinds          what bounds an op's cost
hardware          what a profile's unit can do at most
op_times          the formula of one op's time
published         measurements of phones, and what the measured models do
fitting           the fit of the formula's coefficients to them; run by benchmarks/latency_model.py
calibration       what was found: coefficients.json
latency           predict_latency: ms of one call and of each op, with an interval
own_measurements  a calibration file: measured rows of one phone
part_factors      what these say of the parts of predictions
similar_models    what models like one another are off by
phone_model       predictions moved by both
arena             place_blocks: where a runtime puts tensors of known size and life
memory            predict_memory: peak bytes, by the runtime's own plan where it is known
"""
