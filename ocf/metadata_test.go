package ocf_test

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"thalassa/ocf"
)

type described struct {
	Version    string `xml:"version"`
	LongDesc   string `xml:"longdesc"`
	Parameters []struct {
		Name       string `xml:"name,attr"`
		Reloadable string `xml:"reloadable,attr"`
		LongDesc   string `xml:"longdesc"`
		ShortDesc  string `xml:"shortdesc"`
		Content    struct {
			Type    string `xml:"type,attr"`
			Default string `xml:"default,attr"`
		} `xml:"content"`
	} `xml:"parameters>parameter"`
	Actions []struct {
		Name    string `xml:"name,attr"`
		Timeout string `xml:"timeout,attr"`
		Depth   string `xml:"depth,attr"`
	} `xml:"actions>action"`
}

func TestMetadata(t *testing.T) {
	r := ocf.Do(context.Background(), ocf.Config{}, ocf.Request{Action: "meta-data"})
	if r.Code != ocf.OK || r.Output != ocf.Metadata() {
		t.Fatalf("%+v", r)
	}
	decoder := xml.NewDecoder(strings.NewReader(r.Output))
	decoder.Strict = true
	var d described
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.Version != "1.1" || d.LongDesc == "" {
		t.Errorf("version %q, described as %q", d.Version, d.LongDesc)
	}
	var names, reloadable []string
	for _, p := range d.Parameters {
		names = append(names, p.Name)
		if p.Reloadable == "1" {
			reloadable = append(reloadable, p.Name)
		}
		if len(p.LongDesc) < 60 || p.ShortDesc == "" || p.Content.Type != "string" && p.Content.Type != "integer" {
			t.Errorf("%s is not described in full: %+v", p.Name, p)
		}
	}
	if !slices.Equal(names, ocf.ParameterNames()) || !slices.Equal(reloadable, []string{"drain_time", "agent_url", "check_url", "generation"}) {
		t.Errorf("parameters %v, reloadable %v", names, reloadable)
	}
	actions := map[string]bool{}
	for _, a := range d.Actions {
		actions[a.Name+a.Depth] = a.Timeout != ""
	}
	for _, name := range []string{"start", "stop", "monitor0", "monitor10", "monitor20", "reload", "reload-agent", "validate-all", "meta-data"} {
		if !actions[name] {
			t.Errorf("the action %s is missing", name)
		}
	}
}
