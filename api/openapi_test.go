package api_test

import (
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
)

func braces(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

func TestDocumentHasEveryRoute(t *testing.T) {
	_, cfg := apitest.Prepare(t)
	var routed, heads, documented []string
	for _, r := range api.New(cfg).Routes() {
		if r.Method == http.MethodHead {
			heads = append(heads, "GET "+braces(r.Path))
			continue
		}
		routed = append(routed, r.Method+" "+braces(r.Path))
	}
	for path, item := range mapOf(openDocument(t)["paths"]) {
		for method := range mapOf(item) {
			if method != "parameters" {
				documented = append(documented, strings.ToUpper(method)+" "+path)
			}
		}
	}
	sort.Strings(routed)
	sort.Strings(documented)
	if !slices.Equal(routed, documented) {
		t.Errorf("routes    %v\ndocument  %v", routed, documented)
	}
	gets := slices.DeleteFunc(routed, func(r string) bool { return !strings.HasPrefix(r, "GET ") })
	sort.Strings(heads)
	if !slices.Equal(heads, gets) {
		t.Errorf("HEAD is routed for %v, GET for %v", heads, gets)
	}
}

func TestDocumentAgreesWithTheIndex(t *testing.T) {
	var index struct {
		Routes []struct{ Method, Path, Role, Summary string }
	}
	newFixture(t).get("/").wants(t, 200, &index)
	if len(index.Routes) == 0 {
		t.Fatal("the index is empty")
	}
	for _, r := range index.Routes {
		operation := at(map[string]any(openDocument(t)), "paths", r.Path, strings.ToLower(r.Method))
		if at(operation, "x-role") != r.Role {
			t.Errorf("%s %s takes role %s, the document says %v", r.Method, r.Path, r.Role, at(operation, "x-role"))
		}
		_, open := mapOf(operation)["security"]
		if open != (r.Role == "none") {
			t.Errorf("%s %s: role %s, and its security in the document is overridden: %v", r.Method, r.Path, r.Role, open)
		}
		if r.Summary == "" || at(operation, "summary") == "" {
			t.Errorf("%s %s has no summary", r.Method, r.Path)
		}
	}
}

func TestDocumentIsServed(t *testing.T) {
	var served map[string]any
	newFixture(t).get("/openapi.json").wants(t, 200, &served)
	if served["openapi"] != "3.1.0" || len(mapOf(served["paths"])) != len(mapOf(openDocument(t)["paths"])) {
		t.Errorf("what is served is not the document: openapi %v, %d paths", served["openapi"], len(mapOf(served["paths"])))
	}
}

// Every parameter in a path is declared, every reference leads somewhere, every
// component is used.
func TestDocumentIsWhole(t *testing.T) {
	d := openDocument(t)
	used := map[string]bool{}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				used[ref] = true
				if d.follow(v) == nil {
					t.Errorf("%s refers to %s, which is not there", path, ref)
				}
			}
			for k, x := range v {
				walk(x, path+"/"+k)
			}
		case []any:
			for _, x := range v {
				walk(x, path)
			}
		}
	}
	walk(map[string]any(d), "#")
	for kind, items := range mapOf(d["components"]) {
		for name := range mapOf(items) {
			if ref := "#/components/" + kind + "/" + name; kind != "securitySchemes" && !used[ref] {
				t.Errorf("%s is used nowhere", ref)
			}
		}
	}
	for path, item := range mapOf(d["paths"]) {
		var declared []string
		parameters, _ := at(item, "parameters").([]any)
		for _, p := range parameters {
			declared = append(declared, "{"+at(d.follow(p), "name").(string)+"}")
		}
		for part := range strings.SplitSeq(path, "/") {
			if strings.HasPrefix(part, "{") && !slices.Contains(declared, part) {
				t.Errorf("%s does not declare %s", path, part)
			}
		}
	}
}

// What the document lets a client put is what the API takes, field by field.
func TestDocumentKnowsTheFieldsOfBodies(t *testing.T) {
	d, s := openDocument(t), filledFixture(t)
	tests := []struct{ schema, method, path, sound string }{
		{"FrontendBody", "PUT", "/frontends/www", `{"bind":"*:80","backend":"live"`},
		{"BackendBody", "PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"`},
		{"Switch", "POST", "/backends/live", `{"version":"1.0.0"`},
	}
	for _, tc := range tests {
		s.do(tc.method, tc.path, tc.sound+"}").wants(t, 200, nil)
		if f := s.do(tc.method, tc.path, tc.sound+`,"surprise":1}`).refused(t, 400, "invalid"); f.Fields[0].Path != "surprise" {
			t.Errorf("%s: the unknown field is told as %v", tc.schema, f.Fields)
		}
		properties, _ := d.members(map[string]any{"$ref": "#/components/schemas/" + tc.schema})
		for name := range properties {
			// An array of arrays fits no field, and no field's name is unknown.
			r := s.do(tc.method, tc.path, `{"`+name+`":[[]]}`)
			if strings.Contains(r.refused(t, 400, "invalid").Error, "is not a field") {
				t.Errorf("%s describes %s, which the API does not know", tc.schema, name)
			}
		}
	}
}
