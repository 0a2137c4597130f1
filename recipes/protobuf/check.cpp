/* Checks the features that the recipe of protobuf declares; prints the name of each feature that is missing. */
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

using namespace google::protobuf;

static const char source[] = "syntax = \"proto3\"; package demo; "
                             "message Point { int32 x = 1; repeated string names = 2; }";

static bool can_parse(FileDescriptorProto *file) {
    io::ArrayInputStream input(source, sizeof(source) - 1);
    io::Tokenizer tokens(&input, nullptr);
    compiler::Parser parser;

    file->set_name("point.proto");
    return parser.Parse(&tokens, file) && file->package() == "demo" && file->message_type_size() == 1 &&
           file->message_type(0).field(1).label() == FieldDescriptorProto::LABEL_REPEATED;
}

/* A message type that exists at run time only. */
class Points {
  public:
    Points() {
        FileDescriptorProto file;

        if (can_parse(&file) && pool.BuildFile(file) != nullptr)
            type = pool.FindMessageTypeByName("demo.Point");
    }

    std::unique_ptr<Message> make(int x) {
        std::unique_ptr<Message> message(factory.GetPrototype(type)->New());
        const Reflection *fields = message->GetReflection();

        fields->SetInt32(message.get(), type->FindFieldByName("x"), x);
        fields->AddString(message.get(), type->FindFieldByName("names"), "first");
        fields->AddString(message.get(), type->FindFieldByName("names"), "second");
        return message;
    }

    bool is_right(const Message &message, int x) const {
        const Reflection *fields = message.GetReflection();
        const FieldDescriptor *names = type->FindFieldByName("names");

        return fields->GetInt32(message, type->FindFieldByName("x")) == x && fields->FieldSize(message, names) == 2 &&
               fields->GetRepeatedString(message, names, 1) == "second";
    }

    const Descriptor *type = nullptr;

  private:
    DescriptorPool pool;
    DynamicMessageFactory factory;
};

static bool has_feature(const char *name) {
    Points points;
    FileDescriptorProto file;
    std::string text;

    if (points.type == nullptr)
        return false;
    std::unique_ptr<Message> message = points.make(-7), copy = points.make(0);

    if (std::strcmp(name, "parser") == 0)
        return can_parse(&file);
    if (std::strcmp(name, "dynamic") == 0)
        return message->SerializeToString(&text) && copy->ParseFromString(text) && points.is_right(*copy, -7);
    if (std::strcmp(name, "text") == 0)
        return TextFormat::PrintToString(*message, &text) && TextFormat::ParseFromString(text, copy.get()) &&
               points.is_right(*copy, -7);
    if (std::strcmp(name, "json") == 0)
        return util::MessageToJsonString(*message, &text).ok() && text == "{\"x\":-7,\"names\":[\"first\",\"second\"]}" &&
               util::JsonStringToMessage(text, copy.get()).ok() && points.is_right(*copy, -7);
    if (std::strcmp(name, "gzip") != 0)
        return false;
    {
        io::StringOutputStream output(&text);
        io::GzipOutputStream packed(&output);

        if (!message->SerializeToZeroCopyStream(&packed))
            return false;
    }
    io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
    io::GzipInputStream unpacked(&input);

    return text.compare(0, 2, "\x1f\x8b") == 0 && copy->ParseFromZeroCopyStream(&unpacked) && points.is_right(*copy, -7);
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
