/* A compiler wrapper for Windows, where a build cannot start a script: this program starts another one.

   Its file <path>.launch is UTF-8. The first line is the command, to which the arguments of this program are added. The
   second line is the directory to print for -print-search-dirs, or empty. Each further line is a variable of the
   command, NAME=VALUE. */
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

#define LONGEST 32768 /* characters: the limit of Windows for a path and for a command line */

static void fail(const char *what, const wchar_t *which) {
  fprintf(stderr, "cannot %s %ls (error %lu)\n", what, which, GetLastError());
  exit(127);
}

/* Returns the text of a file. */
static wchar_t *read_text(const wchar_t *path) {
  static char bytes[2 * LONGEST];
  static wchar_t text[2 * LONGEST];
  FILE *file = _wfopen(path, L"rb");
  size_t size = file == NULL ? 0 : fread(bytes, 1, sizeof bytes - 1, file);
  if (size == 0 || MultiByteToWideChar(CP_UTF8, 0, bytes, (int)size, text, 2 * LONGEST - 1) == 0)
    fail("read", path);
  fclose(file);
  return text;
}

/* Ends a line and returns the next one. */
static wchar_t *end_line(wchar_t *line) {
  line += wcscspn(line, L"\n");
  if (*line != L'\0')
    *line++ = L'\0';
  return line;
}

/* Returns the arguments in a command line, quoted as they are: the command splits them itself. */
static const wchar_t *skip_name(const wchar_t *line) {
  int quoted = 0;
  for (; *line != L'\0' && (quoted || (*line != L' ' && *line != L'\t')); line++)
    quoted ^= *line == L'"';
  return line;
}

int main(void) {
  static wchar_t path[LONGEST], command[LONGEST];
  DWORD length = GetModuleFileNameW(NULL, path, LONGEST - 8);
  wcscpy(path + length, L".launch");
  wchar_t *head = read_text(path), *libraries = end_line(head), *variable = end_line(libraries);
  const wchar_t *args = skip_name(GetCommandLineW());
  if (*libraries != L'\0' && wcsstr(args, L"-print-search-dirs") != NULL) {
    printf("libraries: =%ls\n", libraries);
    return 0;
  }
  while (*variable != L'\0') {
    wchar_t *next = end_line(variable), *value = wcschr(variable, L'=');
    *value++ = L'\0';
    SetEnvironmentVariableW(variable, value);
    variable = next;
  }
  if (wcslen(head) + wcslen(args) >= LONGEST)
    SetLastError(ERROR_FILENAME_EXCED_RANGE), fail("start", head);
  wcscat(wcscpy(command, head), args);
  STARTUPINFOW start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
  start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION process;
  if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
    fail("start", head);
  DWORD code = 127;
  WaitForSingleObject(process.hProcess, INFINITE);
  GetExitCodeProcess(process.hProcess, &code);
  return (int)code;
}
