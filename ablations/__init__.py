"""whygates: an ablation-study harness for recurrent networks. Importing this package stays cheap: no torch."""

__version__ = "0.1.0"
