"""The fast matcher: kernels compiled by numba over the buffers of Arrow batches. Needs the extra `fast`."""
