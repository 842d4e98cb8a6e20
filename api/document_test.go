package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A document is openapi.json, read as a JSON value.
type document map[string]any

var loadDocument = sync.OnceValues(func() (document, error) {
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	var d document
	return d, json.Unmarshal(data, &d)
})

func openDocument(tb testing.TB) document {
	tb.Helper()
	d, err := loadDocument()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// at follows keys down from v; nil when one is missing.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// follow replaces {"$ref": …} by what it names.
func (d document) follow(v any) any {
	for {
		ref, ok := at(v, "$ref").(string)
		if !ok {
			return v
		}
		v = at(map[string]any(d), strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
}

// template finds the document's path that fits a request's path: itself, or else the one with the
// fewest parameters.
func (d document) template(path string) (string, bool) {
	if _, ok := d["paths"].(map[string]any)[path]; ok {
		return path, true
	}
	words, best := strings.Split(path, "/"), ""
	for t := range d["paths"].(map[string]any) {
		if slices.EqualFunc(strings.Split(t, "/"), words, fits) && (best == "" || strings.Count(t, "{") < strings.Count(best, "{")) {
			best = t
		}
	}
	return best, best != ""
}

// fits reports whether a word of a request's path may stand for one of the document's.
func fits(pattern, word string) bool {
	return pattern == word || strings.HasPrefix(pattern, "{") && word != ""
}

// compiled has the patterns of the document: text → *regexp.Regexp.
var compiled sync.Map

func matches(pattern, value string) bool {
	re, ok := compiled.Load(pattern)
	if !ok {
		re, _ = compiled.LoadOrStore(pattern, regexp.MustCompile(pattern))
	}
	return re.(*regexp.Regexp).MatchString(value)
}

// checkResponse compares an answer with what the document says of its request.
// An answer about no route at all must be an Error.
func (d document) checkResponse(method, path string, r reply) error {
	if r.status == 204 || method == "HEAD" {
		if len(r.body) != 0 {
			return fmt.Errorf("%d to %s has a body", r.status, method)
		}
		return nil
	}
	t, ok := d.template(path)
	operation := at(map[string]any(d), "paths", t, strings.ToLower(method))
	if !ok || operation == nil || method != strings.ToUpper(method) { // "get" is not GET
		if r.status < 400 {
			return fmt.Errorf("%s %s is answered and not in the document", method, path)
		}
		return d.check(map[string]any{"$ref": "#/components/schemas/Error"}, r.json(), "error")
	}
	response := d.follow(at(operation, "responses", strconv.Itoa(r.status)))
	if response == nil {
		return fmt.Errorf("status %d of %s %s is not in the document", r.status, method, t)
	}
	for name, header := range mapOf(at(response, "headers")) {
		if at(d.follow(header), "required") == true && r.header.Get(name) == "" {
			return fmt.Errorf("%d of %s %s lacks the header %s", r.status, method, t, name)
		}
	}
	if contents := mapOf(at(response, "content")); len(contents) > 0 {
		media, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
		content, ok := contents[media]
		if !ok {
			return fmt.Errorf("%s %s has Content-Type %s, the document says %s", method, t, media, slices.Sorted(maps.Keys(contents)))
		}
		if media == "application/json" {
			return d.check(at(content, "schema"), r.json(), "body")
		}
		return nil
	}
	if len(r.body) != 0 {
		return fmt.Errorf("%d of %s %s has a body that the document does not know", r.status, method, t)
	}
	return nil
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// check validates a value against the keywords that the document uses. What the
// schema does not describe is an error, too: the document is to be complete.
func (d document) check(schema, value any, path string) error {
	schema = d.follow(schema)
	if err := checkType(at(schema, "type"), value, path); err != nil {
		return err
	}
	if want, ok := mapOf(schema)["const"]; ok && want != value {
		return fmt.Errorf("%s is %v, want %v", path, value, want)
	}
	if enum, ok := at(schema, "enum").([]any); ok && !slices.Contains(enum, value) {
		return fmt.Errorf("%s is %v, which is none of %v", path, value, enum)
	}
	switch value := value.(type) {
	case string:
		if p, ok := at(schema, "pattern").(string); ok && !matches(p, value) {
			return fmt.Errorf("%s is %q, which does not match %s", path, value, p)
		}
	case float64:
		if least, ok := at(schema, "minimum").(float64); ok && value < least {
			return fmt.Errorf("%s is %v, less than %v", path, value, least)
		}
		if most, ok := at(schema, "maximum").(float64); ok && value > most {
			return fmt.Errorf("%s is %v, more than %v", path, value, most)
		}
	case []any:
		for i, v := range value {
			if err := d.check(at(schema, "items"), v, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		return d.checkObject(schema, value, path)
	}
	return nil
}

func (d document) checkObject(schema any, value map[string]any, path string) error {
	properties, required := d.members(schema)
	for _, name := range required {
		if _, ok := value[name]; !ok {
			return fmt.Errorf("%s lacks %s", path, name)
		}
	}
	if len(properties) == 0 && at(schema, "additionalProperties") == nil {
		return nil // any object
	}
	for name, v := range value {
		property, ok := properties[name]
		if !ok {
			if property, ok = at(schema, "additionalProperties").(map[string]any); !ok {
				return fmt.Errorf("%s has %s, which is not described", path, name)
			}
		}
		if err := d.check(property, v, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// members collects the properties of a schema and of those it is made of.
func (d document) members(schema any) (properties map[string]any, required []string) {
	schema = d.follow(schema)
	properties = map[string]any{}
	maps.Copy(properties, mapOf(at(schema, "properties")))
	names, _ := at(schema, "required").([]any)
	for _, n := range names {
		required = append(required, n.(string))
	}
	parts, _ := at(schema, "allOf").([]any)
	for _, part := range parts {
		p, r := d.members(part)
		maps.Copy(properties, p)
		required = append(required, r...)
	}
	return properties, required
}

// checkType compares a value with a type or a list of types; none is any.
func checkType(types, value any, path string) error {
	list, ok := types.([]any)
	if !ok && types != nil {
		list = []any{types}
	}
	if len(list) == 0 {
		return nil
	}
	kind := "null"
	switch v := value.(type) {
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
		if v == float64(int64(v)) && !slices.Contains(list, any("number")) {
			kind = "integer"
		}
	case []any:
		kind = "array"
	case map[string]any:
		kind = "object"
	}
	if !slices.Contains(list, any(kind)) {
		return fmt.Errorf("%s is of type %s, want %v", path, kind, types)
	}
	return nil
}
