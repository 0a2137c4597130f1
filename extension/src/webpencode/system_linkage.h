/* Linkage `system`: the system's libvips and libwebp are opened when they are first needed.

   Included by libraries.h after the headers of the libraries. The other sources call functions by their usual names;
   the macros below turn these names into pointers that dlsym() has set. */

#ifndef WEBPENCODE_SYSTEM_H
#define WEBPENCODE_SYSTEM_H

#ifndef WEBPENCODE_LIBRARIES_H
#error "include libraries.h"
#endif

#include <stdbool.h>

/* Whether other code loaded libvips into this process first, and may have configured it. */
bool
system_shares_libvips(void);

/* All functions used, by library, except WebPMalloc(), which is optional. libvips 8.10 and libwebp 0.6 have all of
 * them. */
/* clang-format off */
#define LIBWEBP_FUNCTIONS(X)                                                                                           \
    X(WebPConfigInitInternal) X(WebPEncode) X(WebPFree) X(WebPGetEncoderVersion) X(WebPMemoryWrite)                    \
    X(WebPMemoryWriterClear) X(WebPMemoryWriterInit) X(WebPPictureAlloc) X(WebPPictureFree)                            \
    X(WebPPictureHasTransparency) X(WebPPictureImportRGB) X(WebPPictureImportRGBA) X(WebPPictureInitInternal)          \
    X(WebPValidateConfig)

#define LIBWEBPMUX_FUNCTIONS(X)                                                                                        \
    X(WebPAnimEncoderAdd) X(WebPAnimEncoderAssemble) X(WebPAnimEncoderDelete) X(WebPAnimEncoderGetError)               \
    X(WebPAnimEncoderNewInternal) X(WebPAnimEncoderOptionsInitInternal) X(WebPMuxAssemble) X(WebPMuxCreateInternal)    \
    X(WebPMuxDelete) X(WebPMuxSetChunk)

#define LIBVIPS_FUNCTIONS(X)                                                                                           \
    X(vips_addalpha) X(vips_area_free_cb) X(vips_area_get_data) X(vips_area_new_array_object) X(vips_area_unref)       \
    X(vips_array_double_new) X(vips_autorot) X(vips_cache_set_max) X(vips_cast) X(vips_colourspace) X(vips_copy)       \
    X(vips_crop) X(vips_error) X(vips_error_buffer) X(vips_error_buffer_copy) X(vips_error_clear)                      \
    X(vips_extract_band) X(vips_flatten) X(vips_foreign_find_load_buffer) X(vips_format_sizeof_unsafe)    \
    X(vips_gravity) X(vips_icc_export) X(vips_icc_import) X(vips_icc_present) X(vips_icc_transform)                    \
    X(vips_image_copy_memory) X(vips_image_generate) X(vips_image_get_array_int) X(vips_image_get_bands)               \
    X(vips_image_get_blob) X(vips_image_get_format) X(vips_image_get_height) X(vips_image_get_int)                     \
    X(vips_image_get_interpretation) X(vips_image_get_orientation) X(vips_image_get_orientation_swap)                  \
    X(vips_image_get_page_height) X(vips_image_get_string) X(vips_image_get_typeof) X(vips_image_get_width)            \
    X(vips_image_hasalpha) X(vips_image_new) X(vips_image_new_from_buffer) X(vips_image_new_from_memory)               \
    X(vips_image_new_from_memory_copy) X(vips_image_pipeline_array) X(vips_image_set_blob_copy) X(vips_image_set_int)  \
    X(vips_init) X(vips_linear1) X(vips_premultiply) X(vips_region_new) X(vips_region_prepare)          \
    X(vips_resize) X(vips_round) X(vips_sequential) X(vips_sink_disc) X(vips_start_one) X(vips_stop_one)               \
    X(vips_thread_shutdown) X(vips_type_find) X(vips_unpremultiply) X(vips_version)
/* clang-format on */

#define SYSTEM_DECLARE(name) extern __typeof__(name) *system_##name;
LIBWEBP_FUNCTIONS(SYSTEM_DECLARE)
LIBWEBPMUX_FUNCTIONS(SYSTEM_DECLARE)
LIBVIPS_FUNCTIONS(SYSTEM_DECLARE)
#undef SYSTEM_DECLARE

/* Without those that inline functions in libwebp's headers call: system_linkage.c defines these by their own names. */
#define WebPEncode system_WebPEncode
#define WebPGetEncoderVersion system_WebPGetEncoderVersion
#define WebPMemoryWrite system_WebPMemoryWrite
#define WebPMemoryWriterClear system_WebPMemoryWriterClear
#define WebPMemoryWriterInit system_WebPMemoryWriterInit
#define WebPPictureAlloc system_WebPPictureAlloc
#define WebPPictureFree system_WebPPictureFree
#define WebPPictureHasTransparency system_WebPPictureHasTransparency
#define WebPPictureImportRGB system_WebPPictureImportRGB
#define WebPPictureImportRGBA system_WebPPictureImportRGBA
#define WebPValidateConfig system_WebPValidateConfig
#define WebPAnimEncoderAdd system_WebPAnimEncoderAdd
#define WebPAnimEncoderAssemble system_WebPAnimEncoderAssemble
#define WebPAnimEncoderDelete system_WebPAnimEncoderDelete
#define WebPAnimEncoderGetError system_WebPAnimEncoderGetError
#define WebPMuxAssemble system_WebPMuxAssemble
#define WebPMuxDelete system_WebPMuxDelete
#define WebPMuxSetChunk system_WebPMuxSetChunk
#define vips_addalpha system_vips_addalpha
#define vips_area_free_cb system_vips_area_free_cb
#define vips_area_get_data system_vips_area_get_data
#define vips_area_new_array_object system_vips_area_new_array_object
#define vips_area_unref system_vips_area_unref
#define vips_array_double_new system_vips_array_double_new
#define vips_autorot system_vips_autorot
#define vips_cache_set_max system_vips_cache_set_max
#define vips_cast system_vips_cast
#define vips_colourspace system_vips_colourspace
#define vips_copy system_vips_copy
#define vips_crop system_vips_crop
#define vips_error system_vips_error
#define vips_error_buffer system_vips_error_buffer
#define vips_error_buffer_copy system_vips_error_buffer_copy
#define vips_error_clear system_vips_error_clear
#define vips_extract_band system_vips_extract_band
#define vips_flatten system_vips_flatten
#define vips_foreign_find_load_buffer system_vips_foreign_find_load_buffer
#define vips_format_sizeof_unsafe system_vips_format_sizeof_unsafe
#define vips_gravity system_vips_gravity
#define vips_icc_export system_vips_icc_export
#define vips_icc_import system_vips_icc_import
#define vips_icc_present system_vips_icc_present
#define vips_icc_transform system_vips_icc_transform
#define vips_image_copy_memory system_vips_image_copy_memory
#define vips_image_generate system_vips_image_generate
#define vips_image_get_array_int system_vips_image_get_array_int
#define vips_image_get_bands system_vips_image_get_bands
#define vips_image_get_blob system_vips_image_get_blob
#define vips_image_get_format system_vips_image_get_format
#define vips_image_get_height system_vips_image_get_height
#define vips_image_get_int system_vips_image_get_int
#define vips_image_get_interpretation system_vips_image_get_interpretation
#define vips_image_get_orientation system_vips_image_get_orientation
#define vips_image_get_orientation_swap system_vips_image_get_orientation_swap
#define vips_image_get_page_height system_vips_image_get_page_height
#define vips_image_get_string system_vips_image_get_string
#define vips_image_get_typeof system_vips_image_get_typeof
#define vips_image_get_width system_vips_image_get_width
#define vips_image_hasalpha system_vips_image_hasalpha
#define vips_image_new system_vips_image_new
#define vips_image_new_from_buffer system_vips_image_new_from_buffer
#define vips_image_new_from_memory system_vips_image_new_from_memory
#define vips_image_new_from_memory_copy system_vips_image_new_from_memory_copy
#define vips_image_pipeline_array system_vips_image_pipeline_array
#define vips_image_set_blob_copy system_vips_image_set_blob_copy
#define vips_image_set_int system_vips_image_set_int
#define vips_init system_vips_init
#define vips_linear1 system_vips_linear1
#define vips_premultiply system_vips_premultiply
#define vips_region_new system_vips_region_new
#define vips_region_prepare system_vips_region_prepare
#define vips_resize system_vips_resize
#define vips_round system_vips_round
#define vips_sequential system_vips_sequential
#define vips_sink_disc system_vips_sink_disc
#define vips_start_one system_vips_start_one
#define vips_stop_one system_vips_stop_one
#define vips_thread_shutdown system_vips_thread_shutdown
#define vips_type_find system_vips_type_find
#define vips_unpremultiply system_vips_unpremultiply
#define vips_version system_vips_version

#endif
