"""Memory of linear recurrent nets: what their kernels can be, and how long training takes."""
