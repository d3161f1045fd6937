"""What an app does with a bundle: golden vectors played, recorded with tolerances, held against what it wrote."""
