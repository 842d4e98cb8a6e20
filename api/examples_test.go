package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"thalassa/api/apitest"
	"thalassa/stage"
)

// An example is a value in the document, and the schema that it has to fit.
type example struct {
	where         string
	schema, value any
}

// examplesIn collects the examples of a document: those of schemas, of parameters and
// headers, and of bodies.
func (d document) examplesIn() []example {
	var out []example
	var walk func(v any, where string)
	walk = func(v any, where string) {
		switch v := v.(type) {
		case map[string]any:
			schema, hasSchema := v["schema"]
			if !hasSchema {
				schema = v // the examples are those of a schema itself
			}
			out = append(out, examplesOf(v, schema, where)...)
			for key, x := range v {
				if key != "example" && key != "examples" && key != "default" {
					walk(x, where+"/"+key)
				}
			}
		case []any:
			for i, x := range v {
				walk(x, fmt.Sprintf("%s/%d", where, i))
			}
		}
	}
	walk(map[string]any(d), "#")
	return out
}

func examplesOf(v map[string]any, schema any, where string) (out []example) {
	if value, ok := v["example"]; ok && !isProperty(where) {
		out = append(out, example{where + "/example", schema, value})
	}
	switch list := v["examples"].(type) {
	case []any: // of a schema
		for i, value := range list {
			out = append(out, example{fmt.Sprintf("%s/examples/%d", where, i), schema, value})
		}
	case map[string]any: // of a parameter or a body: by name
		for name, value := range list {
			out = append(out, example{where + "/examples/" + name, schema, at(value, "value")})
		}
	}
	return out
}

// isProperty reports whether what is there are properties by name, one of which may be
// called "example".
func isProperty(where string) bool { return strings.HasSuffix(where, "/properties") }

// Every example in the document fits its schema, with all of its bounds.
func TestExamplesOfTheDocumentFitTheirSchemas(t *testing.T) {
	d := openDocument(t)
	all := d.examplesIn()
	if len(all) < 20 {
		t.Fatalf("the document has %d examples only", len(all))
	}
	for _, e := range all {
		if text, isText := e.value.(string); isText && at(d.follow(e.schema), "type") == "integer" && strings.Contains(e.where, "parameters") {
			var number float64 // as it is in an address
			if err := json.Unmarshal([]byte(text), &number); err == nil {
				e.value = number
			}
		}
		if err := d.check(e.schema, e.value, e.where); err != nil {
			t.Error(err)
		}
		if err := d.checkBounds(e.schema, e.value, e.where); err != nil {
			t.Error(err)
		}
	}
}

// checkBounds validates what check leaves to the API: lengths, numbers of entries, and
// alternatives.
func (d document) checkBounds(schema, value any, path string) error {
	schema = d.follow(schema)
	within := func(size int, least, most string) error {
		if n, ok := at(schema, least).(float64); ok && size < int(n) {
			return fmt.Errorf("%s has %d, %s is %v", path, size, least, n)
		}
		if n, ok := at(schema, most).(float64); ok && size > int(n) {
			return fmt.Errorf("%s has %d, %s is %v", path, size, most, n)
		}
		return nil
	}
	if parts, ok := at(schema, "oneOf").([]any); ok {
		fitting := slices.DeleteFunc(slices.Clone(parts), func(part any) bool { return !d.fitsAlternative(part, value) })
		if len(fitting) != 1 {
			return fmt.Errorf("%s fits %d of the alternatives", path, len(fitting))
		}
	}
	switch value := value.(type) {
	case string:
		return within(utf8.RuneCountInString(value), "minLength", "maxLength")
	case []any:
		for i, v := range value {
			if err := d.checkBounds(at(schema, "items"), v, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return within(len(value), "minItems", "maxItems")
	case map[string]any:
		properties, _ := d.members(schema)
		for name, v := range value {
			if err := d.checkBounds(properties[name], v, path+"."+name); err != nil {
				return err
			}
		}
		return within(len(value), "minProperties", "maxProperties")
	}
	return nil
}

// fitsAlternative reports whether a value fits one part of oneOf, which may only say what
// is required.
func (d document) fitsAlternative(part, value any) bool {
	object, isObject := value.(map[string]any)
	if _, required := d.members(part); isObject {
		return !slices.ContainsFunc(required, func(name string) bool { _, ok := object[name]; return !ok })
	}
	return d.check(part, value, "") == nil
}

// bodies lists the operations with an example of their body: "POST /drafts" → example.
func (d document) bodies() map[string]any {
	out := map[string]any{}
	for path, item := range mapOf(d["paths"]) {
		for method, operation := range mapOf(item) {
			media := mapOf(at(d.follow(at(operation, "requestBody")), "content", "application/json"))
			if value, ok := media["example"]; ok {
				out[strings.ToUpper(method)+" "+path] = value
			}
		}
	}
	return out
}

// The API takes every body that the document gives as an example: none has a field that is
// wrong or unknown to it.
func TestTheAPITakesTheExamplesOfBodies(t *testing.T) {
	bodies := openDocument(t).bodies()
	if len(bodies) < 12 {
		t.Fatalf("%d bodies have an example", len(bodies))
	}
	for _, operation := range slices.Sorted(maps.Keys(bodies)) {
		s := filledFixture(t, inCluster(apitest.NewCluster()))
		if _, err := s.Config().Drafts.CreateDraft(t.Context(), stage.Draft{}); err != nil {
			t.Fatal(err)
		}
		s.put("/backends/live?draft=1", `{"type":"static"}`)
		if operation != "POST /cluster/drafts" && operation != "POST /cluster/wizards/{name}" { // which choose the id
			s.do("POST", "/cluster/drafts", `{"id":"1"}`).wants(t, 201, nil)
		}
		method, path, _ := strings.Cut(operation, " ")
		path = strings.NewReplacer("/frontends/{key}", "/frontends/www", "{key}/members/{id}", "files/members/10.10.10.10:8080", "{key}", "live", "{number}", "1",
			"drafts/{id}", "drafts/1", "wizards/{name}", "wizards/floating-ip", "{agent}", "ocf:heartbeat:IPaddr2", "{action}", "cleanup", "{verb}", "state",
			"config/{kind}/{id}", "config/primitives/vip").Replace(path)
		body, err := json.Marshal(bodies[operation])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, "{") {
			t.Errorf("%s has a parameter that this test does not know", path)
		}
		if r := s.do(method, path, string(body)); r.status/100 != 2 {
			t.Errorf("%s %s: %d %s", operation, body, r.status, r.body)
		}
	}
}
