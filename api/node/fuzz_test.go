package node_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"thalassa/api/node"
	"thalassa/lb"
)

// seeds are bodies that a parser takes, and texts that try to break out, put
// where a body has texts.
func seeds(add func(key string, body []byte)) {
	bodies := []string{
		`{"bind": "*:80,[::1]:81", "backend": "live", "natives": ["$"], "rules": [{"type": "header", "header": "host", "operation": "hdr_dom", "value": "$", "backend": "live"}]}`,
		`{"bind": "$", "backend": "$", "mode": "$", "keepalive": "$", "register": {"name": "$"}}`,
		`{"type": "static", "balance": "$", "host": "$", "natives": ["$"], "health": {"method": "$", "uri": "/$", "httpVersion": "$"}, "members": [{"host": "$", "port": 1}]}`,
		`{"type": "dynamic", "name": "$", "version": "$", "mode": "tcp"}`,
		`{"type": "dynamic", "name": "shop", "versions": {"$": 90, "2": 10}, "balance": "$"}`,
		`{"type": "static", "members": [{"host": "10.0.0.1", "port": 80, "meta": {"$": "$"}}], "health": {}, "host": "a"}`,
	}
	texts := []string{
		"live", "example.org", `\nbackend evil`, `\r`, `\u0000`, `\u2028`, `\u0085`, `\u0084`, `\\nbackend evil`, `'`, `\"`, ".if 1", "-f /etc/passwd", "}",
		`\"\\x62ackend\"`, "backend#", "global", "no backend x", `\tbackend x`, "\u00a0", `\ud800`, "\xff", "[::1]:80", "*:80", "uri depth 2",
	}
	for _, body := range bodies {
		for _, text := range texts {
			add("live", []byte(strings.ReplaceAll(body, "$", text)))
		}
	}
	add("a/b", []byte(`{}`))
	add("", []byte(`[]`))
	add("live", []byte(`{"rules": [[[]]], "members": null, "health": []}`))
}

// checkTexts fails when a document holds a control character; natives may hold
// tabs.
func checkTexts(t *testing.T, doc any) {
	t.Helper()
	switch doc := doc.(type) {
	case string:
		if strings.ContainsFunc(strings.ReplaceAll(doc, "\t", " "), func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
			t.Errorf("%q was taken", doc)
		}
	case []any:
		for _, v := range doc {
			checkTexts(t, v)
		}
	case map[string]any:
		for k, v := range doc {
			checkTexts(t, k)
			checkTexts(t, v)
		}
	}
}

// checkAccepted holds what is true of every accepted object: no control
// characters, and the same object when its document is parsed again.
func checkAccepted[T any](t *testing.T, object T, body any, parse func([]byte) (T, error)) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	checkTexts(t, doc)
	again, err := parse(data)
	if err != nil || !reflect.DeepEqual(again, object) {
		t.Errorf("%v: from %s\n%+v\n%+v", err, data, object, again)
	}
}

func FuzzParseFrontend(f *testing.F) {
	seeds(func(key string, body []byte) { f.Add(key, body) })
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		parse := func(body []byte) (lb.Frontend, error) { return node.ParseFrontend(key, body) }
		object, err := parse(body)
		if err == nil {
			checkAccepted(t, object, node.NewFrontend(object), parse)
		} else if len(paths(err)) == 0 {
			t.Errorf("%v names no field", err)
		}
	})
}

func FuzzParseBackend(f *testing.F) {
	seeds(func(key string, body []byte) { f.Add(key, body) })
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		parse := func(body []byte) (lb.Backend, error) { return node.ParseBackend(key, body) }
		object, err := parse(body)
		if err == nil {
			checkAccepted(t, object, node.NewBackendDefinition(object), parse)
		} else if len(paths(err)) == 0 {
			t.Errorf("%v names no field", err)
		}
	})
}
