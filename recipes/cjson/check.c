/* Prints each feature in its arguments that cJSON does not provide. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* Escapes, numbers and nested values are read; a truncated text is not. */
static int parse(void) {
  cJSON *root = cJSON_Parse("{\"a\": [1, 2.5, \"\\u00e9\\n\"], \"b\": null}");
  cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "a");
  const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(list, 2));
  int is_right = cJSON_GetArraySize(list) == 3 &&
                 cJSON_GetNumberValue(cJSON_GetArrayItem(list, 1)) == 2.5 &&
                 text != NULL && strcmp(text, "\xc3\xa9\n") == 0 &&
                 cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "b")) &&
                 cJSON_Parse("{\"a\": [1, 2") == NULL;

  cJSON_Delete(root);
  return is_right;
}

static int print(void) {
  cJSON *root = cJSON_CreateObject();
  char *text;
  int is_right;

  cJSON_AddNumberToObject(root, "half", 0.5);
  cJSON_AddStringToObject(root, "quoted", "\"x\"");
  text = cJSON_PrintUnformatted(root);
  is_right = text != NULL &&
             strcmp(text, "{\"half\":0.5,\"quoted\":\"\\\"x\\\"\"}") == 0;
  cJSON_free(text);
  cJSON_Delete(root);
  return is_right;
}

static int supports(const char *name) {
  if (strcmp(name, "parse") == 0)
    return parse();
  return strcmp(name, "print") == 0 && print();
}

int main(int argc, char **argv) {
  int failed = 0;

  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      printf("%s\n", argv[i]);
      failed = 1;
    }
  return failed;
}
