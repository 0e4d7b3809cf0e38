"""Read and write files by path or uri: local disks, http and object stores."""
