package clusters_test

import (
	"strings"
	"testing"

	"thalassa/clusters"
)

func TestMistakesOfEntries(t *testing.T) {
	sound := clusters.Entry{Name: "paris", Addresses: []string{"https://lb1.example:10000", "https://[2001:db8::1]:10000"}}
	if err := clusters.Check([]clusters.Entry{sound, {Name: "rome", Addresses: []string{"https://lb2.example"}}}); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*clusters.Entry){
		"name: ":           func(e *clusters.Entry) { e.Name = "a b" },
		"addresses: has 0": func(e *clusters.Entry) { e.Addresses = nil },
		"addresses: has 17": func(e *clusters.Entry) {
			e.Addresses = strings.Split(strings.Repeat("https://a,", 16)+"https://a", ",")
		},
		`"http://lb1.example"`:         func(e *clusters.Entry) { e.Addresses = []string{"http://lb1.example"} },
		`"https://lb1.example/x"`:      func(e *clusters.Entry) { e.Addresses = []string{"https://lb1.example/x"} },
		"https://lb1.example is there": func(e *clusters.Entry) { e.Addresses = []string{"https://lb1.example", "https://LB1.example/"} },
		"the address of a node":        func(e *clusters.Entry) { e.Addresses = []string{"https://u:hunter2@lb1.example"} },
		"has no port":                  func(e *clusters.Entry) { e.Addresses = []string{"https://lb1.example:0"} },
		"certFile, keyFile: ":          func(e *clusters.Entry) { e.CertFile = "/c.pem" },
		"caFile, fingerprints: ":       func(e *clusters.Entry) { e.CAFile, e.Fingerprints = "/ca.pem", []string{strings.Repeat("ab", 32)} },
		"is not a SHA-256":             func(e *clusters.Entry) { e.Fingerprints = []string{"ab:cd"} },
	} {
		e := sound
		change(&e)
		err := clusters.Check([]clusters.Entry{e})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), e.Name+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want %q", e, err, want)
		}
	}
	if err := clusters.Check([]clusters.Entry{sound, sound}); err == nil || !strings.Contains(err.Error(), "name: is set twice") {
		t.Errorf("the same name twice: %v", err)
	}
	sources, err := clusters.Load([]clusters.Entry{{Name: "paris", Addresses: sound.Addresses, CAFile: "/nowhere/ca.pem"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sources[0].Verify(); err == nil || !strings.Contains(err.Error(), "paris: caFile: ") || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Errorf("a file that does not exist: %v", err)
	}
}
