/* Transforms coordinates; prints each of its arguments that does not work. The
 * data is in prefix/share/proj of the current folder. */
#include <geodesic.h>
#include <math.h>
#include <proj.h>
#include <stdio.h>
#include <string.h>

static PJ_CONTEXT *context;

static int is_near(double value, double expected, double tolerance) {
  return fabs(value - expected) <= tolerance;
}

static int has_transformation(PJ_CONTEXT *used) {
  PJ *both = proj_create_crs_to_crs(used, "EPSG:4326", "EPSG:3857", NULL);
  PJ_COORD result;

  if (both == NULL)
    return 0;
  result = proj_trans(both, PJ_FWD, proj_coord(45, 10, 0, 0));
  proj_destroy(both);
  return is_near(result.xy.x, 1113194.908, 0.001) &&
         is_near(result.xy.y, 5621521.486, 0.001);
}

static int has_geodesic(void) {
  struct geod_geodesic globe;
  double distance;

  geod_init(&globe, 6378137, 1 / 298.257223563);
  geod_inverse(&globe, 0, 0, 0, 1, &distance, NULL, NULL);
  return is_near(distance, 111319.491, 0.001);
}

static int has_json(void) {
  PJ *system = proj_create(context, "EPSG:4326");
  const char *text =
      system != NULL ? proj_as_projjson(context, system, NULL) : NULL;
  int is_right = text != NULL && strstr(text, "\"GeographicCRS\"") != NULL;

  proj_destroy(system);
  return is_right;
}

static int has_pipelines(void) {
  PJ *pipeline = proj_create(context, "+proj=pipeline +step +proj=unitconvert "
                                      "+xy_in=deg +xy_out=rad +step "
                                      "+proj=utm +zone=32 +ellps=GRS80");
  PJ_COORD result;

  if (pipeline == NULL)
    return 0;
  result = proj_trans(pipeline, PJ_FWD, proj_coord(9, 0, 0, 0));
  proj_destroy(pipeline);
  return is_near(result.xy.x, 500000, 0.001) && is_near(result.xy.y, 0, 0.001);
}

static int supports(const char *name) {
  if (strcmp(name, "database") == 0)
    return has_transformation(context);
  if (strcmp(name, "geodesic") == 0)
    return has_geodesic();
  if (strcmp(name, "json") == 0)
    return has_json();
  return strcmp(name, "pipelines") == 0 && has_pipelines();
}

int main(int argc, char **argv) {
  const char *folder = "prefix/share/proj";
  int missing = 0;

  context = proj_context_create();
  proj_context_set_search_paths(context, 1, &folder);
  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      puts(argv[i]);
      missing = 1;
    }
  proj_context_destroy(context);
  return missing;
}
