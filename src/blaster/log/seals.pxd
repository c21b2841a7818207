# What a frame is checked by, each time that one is read.

cdef object checksum(const char* data, Py_ssize_t size, object value)  # crc32, going on from value
