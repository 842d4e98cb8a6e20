package lb_test

import (
	"errors"
	"strings"
	"testing"

	"thalassa/lb"
)

// TestLinesThatThalassaOwns holds that raw lines of the template's own sections do not set
// how HAProxy runs, and that they may set the rest.
func TestLinesThatThalassaOwns(t *testing.T) {
	t.Parallel()
	for line, isOwned := range map[string]bool{
		"global: stats socket /tmp/x level admin":    true,
		"global: stats timeout 1m":                   false,
		"global: daemon":                             true,
		"global: no daemon":                          true,
		"global: pidfile /tmp/pid":                   true,
		"global: unix-bind prefix /tmp":              true,
		"global: server-state-file /tmp/x":           true,
		"global: description other":                  true,
		"global: maxconn 100":                        false,
		"global: nbthread 2":                         false,
		"defaults: load-server-state-from-file none": true,
		"defaults: no load-server-state-from-file":   true,
		"defaults: timeout client 5s":                false,
	} {
		kind, text, _ := strings.Cut(line, ": ")
		s, err := lb.SectionSpec{Natives: []string{text}}.Parse(kind, "")
		if err != nil {
			t.Fatal(err)
		}
		invalid, ok := errors.AsType[*lb.InvalidError](s.CheckNew())
		if ok != isOwned || ok && invalid.Fields[0].Path != "natives[0]" {
			t.Errorf("%s: %v", line, s.CheckNew())
		}
	}
}

// TestLinesOfDefaultsWithoutEffect names the lines that every frontend and backend sets
// itself.
func TestLinesOfDefaultsWithoutEffect(t *testing.T) {
	t.Parallel()
	spec := lb.SectionSpec{Natives: []string{"timeout client 5s", "balance leastconn", "default-server maxconn 5", "default-server inter 1s"}}
	own, err := spec.Parse(lb.SectionDefaults, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := own.Ineffective(); len(got) != 2 || !strings.Contains(got[0], "balance leastconn") || !strings.Contains(got[1], "natives[3]") {
		t.Errorf("%q", got)
	}
	named, err := spec.Parse(lb.SectionDefaults, "d")
	if err != nil || named.Ineffective() != nil {
		t.Error(named.Ineffective(), err)
	}
}
