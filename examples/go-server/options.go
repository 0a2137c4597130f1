package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

const (
	largestSide    = 16383 // of a WebP
	defaultQuality = 80
)

// Formats that the server writes, the best first: Accept decides between those that a client accepts equally.
var formats = []string{"avif", "webp", "jpeg", "png"}

var mediaTypes = map[string]string{
	"avif": "image/avif", "gif": "image/gif", "heif": "image/heif", "jpeg": "image/jpeg", "png": "image/png",
	"tiff": "image/tiff", "webp": "image/webp",
}

// query has the values of a URL's parameters. 0 and "" are parameters that the URL does not have.
type query struct {
	width, height, quality int
	format                 string
}

// parseQuery refuses unknown and repeated parameters: each of them would be another entry in caches.
func parseQuery(raw string) (query, error) {
	var result query
	values, err := url.ParseQuery(raw)
	if err != nil {
		return result, fmt.Errorf("the query is malformed")
	}
	for name, list := range values {
		if len(list) != 1 {
			return result, fmt.Errorf("the parameter %s is repeated", strconv.Quote(name))
		}
		switch name {
		case "width":
			result.width, err = parseNumber(name, list[0], largestSide)
		case "height":
			result.height, err = parseNumber(name, list[0], largestSide)
		case "quality":
			result.quality, err = parseNumber(name, list[0], 100)
		case "format":
			result.format, err = parseFormat(list[0])
		default:
			err = fmt.Errorf("there is no parameter %s; there are width, height, quality and format", strconv.Quote(name))
		}
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

func parseNumber(name, text string, largest int) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > largest || text != strconv.Itoa(number) {
		return 0, fmt.Errorf("%s is a whole number from 1 to %d, not %s", name, largest, strconv.Quote(text))
	}
	return number, nil
}

func parseFormat(text string) (string, error) {
	for _, format := range formats {
		if text == format {
			return format, nil
		}
	}
	return "", fmt.Errorf("format is one of %s, not %s", strings.Join(formats, ", "), strconv.Quote(text))
}

// negotiate returns the format of `available` that a client prefers, or "" if it accepts none of them.
//
// Only clients that name image/avif or image/webp get these: browsers that cannot read them send */* as well. The format
// of the original is what a wildcard, or no header, stands for.
func negotiate(accept string, original string, available []string) string {
	fallback := original
	if original != "jpeg" && original != "png" {
		fallback = "png"
	}
	if strings.TrimSpace(accept) == "" {
		return fallback
	}
	ranges := parseAccept(accept)
	best, bestWeight := "", 0.0
	for _, format := range available {
		weight, named := ranges[mediaTypes[format]]
		if !named && format == fallback {
			if weight, named = ranges["image/*"]; !named {
				weight = ranges["*/*"]
			}
		}
		if weight > bestWeight {
			best, bestWeight = format, weight
		}
	}
	return best
}

// parseAccept returns the weight of each media range (RFC 9110, section 12.5.1). Malformed weights are 0.
func parseAccept(header string) map[string]float64 {
	ranges := map[string]float64{}
	for _, item := range strings.Split(header, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		weight := 1.0
		for _, parameter := range strings.Split(parameters, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if strings.EqualFold(key, "q") {
				number, err := strconv.ParseFloat(value, 64)
				if err != nil || !(number >= 0 && number <= 1) {
					number = 0
				}
				weight = number
			}
		}
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			ranges[name] = weight
		}
	}
	return ranges
}
