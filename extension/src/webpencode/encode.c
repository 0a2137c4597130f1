#include "encode.h"

#include <stdbool.h>
#include <string.h>

#include <vips/vips.h>

#include "_webpencodemodule.h"
#include "libvips.h"

/* As far as every libvips goes, in pixels. */
enum { LONGEST_SIDE = 10000000 };

/* What the caller asks for. */
typedef struct {
    int width;  /* of the box, in pixels; 0: no limit */
    int height; /* of the box, in pixels; 0: no limit */
    int quality;
    bool lossless;
} encode_options;

/* The images between the input and the output, each in its place. */
enum { IMAGE_LOADED, IMAGE_IN_MEMORY, IMAGE_UPRIGHT, IMAGE_COUNT };

/* An image that ends early is an error, never a picture with a grey end. As an option's text, since
   vips_thumbnail_buffer() takes `fail_on` too, but does not hand it on to the loader. */
static const char loader_options[] = "fail_on=truncated";

/* Open an image and make it smaller, where asked to, and upright. Returns NULL, with libvips' words in its buffer, when
   it cannot. The image returned is one of `images`, and reads from `data` as long as it lives. */
static VipsImage *
open_image(const void *data, size_t size, const encode_options *options, VipsImage **images)
{
    if (options->width > 0 || options->height > 0) {
        int width = options->width > 0 ? options->width : LONGEST_SIDE;
        int height = options->height > 0 ? options->height : LONGEST_SIDE;

        /* It turns the image upright by itself, and only reads the data, though they are not const to it. */
        (void)vips_thumbnail_buffer((void *)data, size, &images[IMAGE_LOADED], width, "height", height, "size",
                                    VIPS_SIZE_DOWN, "option_string", loader_options, NULL);
        return images[IMAGE_LOADED];
    }

    images[IMAGE_LOADED] =
        vips_image_new_from_buffer(data, size, loader_options, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    if (images[IMAGE_LOADED] == NULL || vips_image_get_orientation(images[IMAGE_LOADED]) == 1) {
        return images[IMAGE_LOADED];
    }
    /* A turn reads the lines in another order than the file has them, so all of them must be there first. */
    images[IMAGE_IN_MEMORY] = vips_image_copy_memory(images[IMAGE_LOADED]);
    if (images[IMAGE_IN_MEMORY] != NULL) {
        (void)vips_autorot(images[IMAGE_IN_MEMORY], &images[IMAGE_UPRIGHT], NULL);
    }
    return images[IMAGE_UPRIGHT];
}

/* Save as WebP. Returns 0 and a buffer of libvips', or -1 with libvips' words in its buffer. */
static int
save_image(VipsImage *image, const encode_options *options, void **webp, size_t *webp_size)
{
    gboolean lossless = options->lossless;

#if VIPS_MAJOR_VERSION == 8 && VIPS_MINOR_VERSION < 15
    return vips_webpsave_buffer(image, webp, webp_size, "Q", options->quality, "lossless", lossless, NULL);
#else
    int keep = VIPS_FOREIGN_KEEP_ALL;

    /* To an image without EXIF libvips would give some of its own making, longer than many an icon. */
    if (vips_image_get_typeof(image, VIPS_META_EXIF_NAME) == 0) {
        keep &= ~VIPS_FOREIGN_KEEP_EXIF;
    }
    return vips_webpsave_buffer(image, webp, webp_size, "Q", options->quality, "lossless", lossless, "keep", keep,
                                NULL);
#endif
}

/* Encode without Python. Returns 0 and a buffer of libvips', or -1 with libvips' words in its buffer. */
static int
encode_image(const void *data, size_t size, const encode_options *options, void **webp, size_t *webp_size)
{
    /* An array of objects is how libvips, which has no call to drop one object, lets go of several. */
    VipsArea *owner = vips_area_new_array_object(IMAGE_COUNT);
    VipsImage **images = vips_area_get_data(owner, NULL, NULL, NULL, NULL);
    VipsImage *image = open_image(data, size, options, images);
    int status = image == NULL ? -1 : save_image(image, options, webp, webp_size);

    vips_area_unref(owner);
    return status;
}

/* Read a whole number from `lowest` to `highest`; `what` says which type it must have. */
static int
read_number(PyObject *value, const char *name, const char *what, int lowest, int highest, int *number)
{
    int overflow;

    if (!PyIndex_Check(value)) {
        PyObject *type = PyType_GetName(Py_TYPE(value));

        if (type != NULL) {
            PyErr_Format(PyExc_TypeError, "%s must be %s, not %U", name, what, type);
            Py_DECREF(type);
        }
        return -1;
    }
    PyObject *integer = PyNumber_Index(value);
    if (integer == NULL) {
        return -1;
    }
    long found = PyLong_AsLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
    if (overflow != 0) {
        PyErr_Format(PyExc_ValueError, "%s must be from %d to %d", name, lowest, highest);
        return -1;
    }
    if (found < lowest || found > highest) {
        PyErr_Format(PyExc_ValueError, "%s must be from %d to %d, not %ld", name, lowest, highest, found);
        return -1;
    }
    *number = (int)found;
    return 0;
}

/* Read a side of the box, in pixels; None is no limit. */
static int
read_side(PyObject *value, const char *name, int *side)
{
    if (value == Py_None) {
        *side = 0;
        return 0;
    }
    return read_number(value, name, "an integer or None", 1, LONGEST_SIDE, side);
}

/* Raise WebPEncodeError with libvips' words, which may hold anything that stood in the file. */
static void
raise_encode_error(PyObject *module, const char *words)
{
    PyObject *text = PyUnicode_DecodeUTF8(words, (Py_ssize_t)strlen(words), "replace");

    if (text != NULL) {
        PyErr_SetObject(get_module_state(module)->encode_error, text);
        Py_DECREF(text);
    }
}

const char webpencode_encode_doc[] = PyDoc_STR(
    "encode($module, /, data, *, width=None, height=None, quality=75, lossless=False)\n"
    "--\n"
    "\n"
    "Return an image, given as the bytes of a file in any format that libvips reads, as the bytes of a WebP file.\n"
    "\n"
    "width and height are the sides, in pixels, of a box that the image is shrunk to fit in; its aspect ratio is\n"
    "kept, and it is never made larger. The image is turned upright as its EXIF orientation says. quality goes\n"
    "from 0 to 100. With lossless, the pixels stay as they are, and quality is the effort spent on a small file.\n"
    "\n"
    "Raises WebPEncodeError, with libvips' own words, when the bytes are no image, or one that is damaged, ends\n"
    "early or is too large for WebP (more than 16383 pixels a side), and RuntimeError in a child made by fork()\n"
    "from a process that has encoded before.");

PyObject *
webpencode_encode(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"data", "width", "height", "quality", "lossless", NULL};
    PyObject *data;
    PyObject *width = Py_None;
    PyObject *height = Py_None;
    PyObject *quality = NULL;
    int lossless = 0;
    encode_options options = {.quality = 75};
    Py_buffer buffer = {.obj = NULL};
    char words[LIBVIPS_WORDS_SIZE];
    void *webp = NULL;
    size_t webp_size = 0;
    bool entered;
    int status = -1;
    PyObject *result = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOp:encode", keywords, &data, &width, &height, &quality,
                                     &lossless)) {
        goto done;
    }
    if (read_side(width, "width", &options.width) < 0 || read_side(height, "height", &options.height) < 0) {
        goto done;
    }
    if (quality != NULL && read_number(quality, "quality", "an integer", 0, 100, &options.quality) < 0) {
        goto done;
    }
    options.lossless = lossless != 0;
    /* Held until libvips is done, so that nobody can resize or free what it reads. */
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0) {
        goto done;
    }
    if (buffer.len == 0) {
        PyErr_SetString(get_module_state(module)->encode_error, "data is empty");
        goto done;
    }

    Py_BEGIN_ALLOW_THREADS
    entered = libvips_enter();
    if (entered) {
        status = encode_image(buffer.buf, (size_t)buffer.len, &options, &webp, &webp_size);
        libvips_leave(status == 0 ? NULL : words);
    }
    Py_END_ALLOW_THREADS

    if (!entered) {
        PyErr_SetString(PyExc_RuntimeError,
                        "libvips does not survive fork(): this process is the child of one that has encoded before; "
                        "start it with the 'spawn' or 'forkserver' method");
    }
    else if (status != 0) {
        raise_encode_error(module, words);
    }
    else {
        result = PyBytes_FromStringAndSize(webp, (Py_ssize_t)webp_size);
    }

done:
    if (webp != NULL) {
        /* The buffer is glib's to free; this is libvips' name for that. */
        vips_area_free_cb(webp, NULL);
    }
    if (buffer.obj != NULL) {
        PyBuffer_Release(&buffer);
    }
    return result;
}
