/* An empty library of the name of another one, whose functions are in libvips: it refers to one, so that it is linked to it. */
extern int vips_version(int);

__attribute__((visibility("hidden"), used, retain)) int (*const vips_forward)(int) = vips_version;
