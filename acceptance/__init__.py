"""Evidence: the learning curves that a claim rests on, and the page that is made from them."""
