# Lists of rows that are linked backwards through a column: walked whole, for many heads at once.
# Nothing of it is for other compiled modules.
