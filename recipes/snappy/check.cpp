/* Checks the features that the recipe of snappy declares; prints the name of each feature that is missing. */
#include <snappy-c.h>
#include <snappy-sinksource.h>
#include <snappy.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <sys/types.h>

static const char text[] = "to be or not to be, that is to be or not to be";

static bool can_compress() {
    char packed[256], unpacked[sizeof(text)];
    size_t size = sizeof(packed), length = sizeof(unpacked);
    std::string copy;

    return snappy_compress(text, sizeof(text), packed, &size) == SNAPPY_OK && size < sizeof(text) &&
           snappy_uncompress(packed, size, unpacked, &length) == SNAPPY_OK && length == sizeof(text) &&
           std::memcmp(text, unpacked, sizeof(text)) == 0 && snappy::Uncompress(packed, size, &copy) &&
           copy == std::string(text, sizeof(text));
}

static bool can_use_streams() {
    std::string packed(snappy::MaxCompressedLength(sizeof(text)), '\0'), copy(sizeof(text), '\0');
    snappy::ByteArraySource source(text, sizeof(text));
    snappy::UncheckedByteArraySink sink(&packed[0]);

    packed.resize(snappy::Compress(&source, &sink));
    return snappy::IsValidCompressedBuffer(packed.data(), packed.size()) &&
           snappy::RawUncompress(packed.data(), packed.size(), &copy[0]) && copy == std::string(text, sizeof(text));
}

/* A source of one byte at a time; a class of the library has type information, which a program's own class refers to. */
class SlowSource : public snappy::Source {
  public:
    size_t Available() const override { return sizeof(text) - position; }
    const char *Peek(size_t *length) override {
        *length = position < sizeof(text) ? 1 : 0;
        return text + position;
    }
    void Skip(size_t length) override { position += length; }

  private:
    size_t position = 0;
};

static bool can_derive() {
    SlowSource source;
    std::string packed(snappy::MaxCompressedLength(sizeof(text)), '\0'), copy;
    snappy::UncheckedByteArraySink sink(&packed[0]);

    packed.resize(snappy::Compress(&source, &sink));
    return snappy::Uncompress(packed.data(), packed.size(), &copy) && copy == std::string(text, sizeof(text));
}

static bool has_feature(const char *name) {
    if (std::strcmp(name, "compress") == 0)
        return can_compress();
    return std::strcmp(name, "streams") == 0 && can_use_streams() && can_derive();
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            std::puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
