/* Computes with geometries; prints each of its arguments that does not work.
 */
#include <geos_c.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static GEOSContextHandle_t context;

static void ignore(const char *format, ...) { (void)format; }

static GEOSGeometry *read_wkt(const char *text) {
  GEOSWKTReader *reader = GEOSWKTReader_create_r(context);
  GEOSGeometry *geometry = GEOSWKTReader_read_r(context, reader, text);

  GEOSWKTReader_destroy_r(context, reader);
  return geometry;
}

static int has_area(const GEOSGeometry *geometry, double expected,
                    double tolerance) {
  double area = 0;

  return geometry != NULL && GEOSArea_r(context, geometry, &area) &&
         fabs(area - expected) <= tolerance;
}

static int has_intersection(const GEOSGeometry *square) {
  GEOSGeometry *other = read_wkt("POLYGON ((1 1, 3 1, 3 3, 1 3, 1 1))");
  GEOSGeometry *both = GEOSIntersection_r(context, square, other);
  int is_right = has_area(both, 1, 1e-12);

  GEOSGeom_destroy_r(context, both);
  GEOSGeom_destroy_r(context, other);
  return is_right;
}

static int has_buffer(const GEOSGeometry *square) {
  GEOSGeometry *wide = GEOSBuffer_r(context, square, 1, 64);
  int is_right = has_area(wide, 4 + 8 + 3.14159, 0.01);

  GEOSGeom_destroy_r(context, wide);
  return is_right;
}

static int has_prepared(const GEOSGeometry *square) {
  const GEOSPreparedGeometry *prepared = GEOSPrepare_r(context, square);
  GEOSGeometry *inside = read_wkt("POINT (1 1)");
  GEOSGeometry *outside = read_wkt("POINT (3 1)");
  int is_right = GEOSPreparedContains_r(context, prepared, inside) == 1 &&
                 GEOSPreparedContains_r(context, prepared, outside) == 0;

  GEOSGeom_destroy_r(context, outside);
  GEOSGeom_destroy_r(context, inside);
  GEOSPreparedGeom_destroy_r(context, prepared);
  return is_right;
}

static int has_json(const GEOSGeometry *square) {
  GEOSGeoJSONWriter *writer = GEOSGeoJSONWriter_create_r(context);
  char *text = GEOSGeoJSONWriter_writeGeometry_r(context, writer, square, -1);
  int is_right =
      text != NULL && strstr(text, "\"type\":\"Polygon\"") != NULL;

  GEOSFree_r(context, text);
  GEOSGeoJSONWriter_destroy_r(context, writer);
  return is_right;
}

/* Errors are exceptions in geos, and return values in geos_c. */
static int has_wkt(const GEOSGeometry *square) {
  GEOSWKTWriter *writer = GEOSWKTWriter_create_r(context);
  char *text;
  int is_right;

  GEOSWKTWriter_setTrim_r(context, writer, 1);
  text = GEOSWKTWriter_write_r(context, writer, square);
  is_right = text != NULL &&
             strcmp(text, "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))") == 0 &&
             read_wkt("POLYGON ((0 0") == NULL;
  GEOSFree_r(context, text);
  GEOSWKTWriter_destroy_r(context, writer);
  return is_right;
}

static int supports(const char *name, const GEOSGeometry *square) {
  if (strcmp(name, "buffer") == 0)
    return has_buffer(square);
  if (strcmp(name, "intersection") == 0)
    return has_intersection(square);
  if (strcmp(name, "json") == 0)
    return has_json(square);
  if (strcmp(name, "prepared") == 0)
    return has_prepared(square);
  return strcmp(name, "wkt") == 0 && has_wkt(square);
}

int main(int argc, char **argv) {
  GEOSGeometry *square;
  int missing = 0;

  context = GEOS_init_r();
  GEOSContext_setErrorHandler_r(context, ignore);
  square = read_wkt("POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))");
  for (int i = 1; i < argc; i++)
    if (square == NULL || !supports(argv[i], square)) {
      puts(argv[i]);
      missing = 1;
    }
  GEOSGeom_destroy_r(context, square);
  GEOS_finish_r(context);
  return missing;
}
