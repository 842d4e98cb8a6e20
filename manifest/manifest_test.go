package manifest_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"thalassa/manifest"
)

func TestFilesBecomeBodies(t *testing.T) {
	const text = `# the shop
frontends:
  web: {bind: "*:80", backend: live}
backends:
  live:
    type: dynamic
    name: shop
    versions: {1.10: 90, 2026-01-02: 10}
    health: &check {uri: /health, interval: 2000}
  api: &api
    type: static
    members: [{host: 10.0.0.1, port: 8080}]
    natives: []
    health: *check
  api2: *api
---
backends:
  more: {<<: {type: dynamic}, name: more, version: "1.10"}
`
	got, err := manifest.Parse("shop.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"frontends/web": `{"bind":"*:80","backend":"live"}`,
		"backends/live": `{"type":"dynamic","name":"shop","versions":{"1.10":90,"2026-01-02":10},"health":{"uri":"/health","interval":2000}}`,
		"backends/api":  `{"type":"static","members":[{"host":"10.0.0.1","port":8080}],"natives":[],"health":{"uri":"/health","interval":2000}}`,
		"backends/api2": `{"type":"static","members":[{"host":"10.0.0.1","port":8080}],"natives":[],"health":{"uri":"/health","interval":2000}}`,
		"backends/more": `{"type":"dynamic","name":"more","version":"1.10"}`,
	}
	for id, body := range got {
		if !sameJSON(t, string(body), want[id.String()]) {
			t.Errorf("%s is %s, want %s", id, body, want[id.String()])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got.IDs())
	}
}

func TestWhatIsFormattedIsReadAgain(t *testing.T) {
	objects := manifest.Objects{
		{Kind: "backends", Key: "live"}: json.RawMessage(`{"type":"dynamic","name":"shop","versions":{"1.0":90,"2":10},"natives":["# a: b"],"version":"1.10"}`),
		{Kind: "frontends", Key: "on"}:  json.RawMessage(`{"bind":"*:80","mode":"http","rules":[{"value":"yes no"}],"keepalive":""}`),
	}
	text, err := manifest.Format(objects)
	if err != nil {
		t.Fatal(err)
	}
	again, err := manifest.Parse("x", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for id, body := range objects {
		if !sameJSON(t, string(body), string(again[id])) {
			t.Errorf("%s is %s, want %s\n%s", id, again[id], body, text)
		}
	}
}

func TestBadFilesAreNamedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"frontends: [a]":                                   "f.yaml:1: frontends is not a mapping",
		"backend:\n  live: {}":                             `f.yaml:1: "backend" is unknown, expected frontends, backends or sections`,
		"backends:\n  live: 1":                             "f.yaml:2: backends/live is not a mapping",
		"backends:\n  live: {}\n  live: {}":                `f.yaml:3: backends has "live" in line 2 already`,
		"backends:\n  live: {}\n---\nbackends: {live: {}}": "f.yaml:4: backends/live is in the file twice",
		"- 1":                                        "f.yaml:1: the file is not a mapping",
		"backends: {":                                "f.yaml: yaml: ",
		"backends:\n  a: {x: {y: [*none]}}":          "unknown anchor",
		"backends:\n  a: &a 1\n  b: *a":              "f.yaml:2: backends/a is not a mapping",
		"backends:\n  <<: {a: {}}":                   "f.yaml:2: backends has a key that is not the name of an object, as a merge key (<<)",
		"backends:\n  ? [a]\n  : {}":                 "f.yaml:2: backends has a key that is not the name of an object",
		"backends:\n  a:\n    x: !vault |\n      12": "f.yaml:3: !vault is a tag that is not known here, expected a value without a tag",
		"backends:\n  a: {x: [!!binary aGk=]}":       "f.yaml:2: !!binary is a tag",
		"backends:\n  a: !!python/object:os {x: 1}":  "f.yaml:2: !!python/object:os is a tag",
		"backends:\n  a: {port: 0100}":               "f.yaml:2: 0100 begins with 0, which YAML 1.1 and 1.2 read differently",
	} {
		_, err := manifest.Parse("f.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, empty := range []string{"", "# nothing\n", "frontends:\nbackends:\n", "{}"} {
		if o, err := manifest.Parse("f", []byte(empty)); err != nil || len(o) > 0 {
			t.Errorf("%q: %v, %v", empty, o, err)
		}
	}
}

func TestAnObjectStandsInOneFile(t *testing.T) {
	all := manifest.Objects{}
	one := manifest.Objects{{Kind: "backends", Key: "a"}: json.RawMessage("{}")}
	if err := all.Add("1.yaml", one); err != nil {
		t.Fatal(err)
	}
	if err := all.Add("2.yaml", one); err == nil || err.Error() != "2.yaml: backends/a is in another file, too" {
		t.Error(err)
	}
}

// TestAliasesDoNotMultiply takes a file of a few hundred bytes that stands for gigabytes.
func TestAliasesDoNotMultiply(t *testing.T) {
	var text strings.Builder
	text.WriteString("backends:\n  a:\n    a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'k'; c++ {
		fmt.Fprintf(&text, "    %c: &%c [%s*%c]\n", c, c, strings.Repeat("*"+string(c-1)+",", 9), c-1)
	}
	if _, err := manifest.Parse("f", []byte(text.String())); err == nil {
		t.Error("taken")
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
