"""The live service without its faces: what is posted, planned, published, kept and explained."""
