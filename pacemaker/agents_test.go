package pacemaker_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// The agents that Pacemaker's own package has.
func TestAgentsOfThisNode(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	c := pacemaker.New(pacemaker.Config{})
	if !c.Installed() {
		testkit.Missing(t, "Pacemaker's tools are not installed; make setup installs them")
	}
	agents := pacemaker.NewAgents(c, time.Now)
	list, err := agents.List(t.Context(), "ocf")
	if err != nil || !slices.Contains(list, "ocf:pacemaker:Dummy") || !slices.IsSorted(list) {
		t.Fatalf("agents: %v, %v", list, err)
	}
	if list, err = agents.List(t.Context(), "stonith"); err != nil || slices.ContainsFunc(list, func(n string) bool { return !strings.HasPrefix(n, "stonith:") }) {
		t.Errorf("fence agents: %v, %v", list, err)
	}
	dummy, err := agents.Agent(t.Context(), "ocf:pacemaker:Dummy")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(dummy.Parameters, func(p cluster.AgentParameter) bool { return p.Name == "passwd" })
	if dummy.Short == "" || len(dummy.Actions) < 3 || i < 0 || !dummy.Parameters[i].Secret {
		t.Errorf("Dummy: %+v", dummy)
	}
	for _, name := range []string{"ocf:heartbeat:nope", "stonith:nope"} {
		if _, err := agents.Agent(t.Context(), name); !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "Dummy", "ocf:Dummy", "ocf:a:b:c", "ocf:../x:y", "ocf:a:../../b", "ocf:a:b/../c", "stonith:-x", "systemd:a b", "lsb:x\n", "ocf:a:" + strings.Repeat("x", 300)} {
		if _, err := agents.Agent(t.Context(), name); !errors.As(err, new(*lb.InvalidError)) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What agents print is read with its messages, entities and languages, kept for a while, and
// bounded.
func TestMetadataOfAgents(t *testing.T) {
	dir := t.TempDir()
	script := `#!/bin/sh
echo x >>` + dir + `/runs
case "$*" in
*:big) echo "<resource-agent>"; head -c 2000000 /dev/zero | tr '\0' x; echo "</resource-agent>";;
*:odd) echo "not a document";;
*) cat <<EOT
logd is not running<?xml version="1.0"?>
<resource-agent name="x" version="7"><longdesc lang="de">Deutsch</longdesc><longdesc lang="en">Some &nbsp; text</longdesc><shortdesc lang="en"> Short </shortdesc>
<parameters><parameter name="ip" unique="1" required="1"><shortdesc lang="en">Address</shortdesc><content type="string"/></parameter>
<parameter name="mode" unique-group="g" reloadable="1"><content type="select" default="a"><option value="a"/><option value="b"/></content></parameter>
<parameter name="old" deprecated="1"/><parameter name="login_passwd"><content type="string" default="topsecret7"/></parameter><parameter/></parameters>
<actions><action name="monitor" interval="10s" timeout="20s" depth="0" role="Promoted"/></actions></resource-agent>
EOT
;; esac
`
	if err := testkit.WriteProgram(filepath.Join(dir, "crm_resource"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	agents := pacemaker.NewAgents(pacemaker.New(pacemaker.Config{Tools: dir}), func() time.Time { return now })
	ask := func(name string) (cluster.Agent, error) { t.Helper(); return agents.Agent(t.Context(), name) }
	a, err := ask("stonith:x")
	if err != nil {
		t.Fatal(err)
	}
	if a.Version != "7" || a.Short != "Short" || !strings.HasPrefix(a.Long, "Some") || len(a.Parameters) != 4 || len(a.Actions) != 1 || a.Actions[0].Role != "Promoted" {
		t.Errorf("%+v", a)
	}
	want := []cluster.AgentParameter{
		{Name: "ip", Type: "string", Required: true, Unique: true, Short: "Address"},
		{Name: "mode", Type: "select", Default: "a", Options: []string{"a", "b"}, Group: "g", Reloadable: true},
		{Name: "old", Type: "string", Deprecated: true},
		{Name: "login_passwd", Type: "string", Secret: true},
	}
	if !reflect.DeepEqual(a.Parameters, want) {
		t.Errorf("%+v, expected %+v", a.Parameters, want)
	}
	runs := func() int {
		data, _ := os.ReadFile(filepath.Join(dir, "runs"))
		return strings.Count(string(data), "x")
	}
	if _, err := ask("stonith:x"); err != nil || runs() != 1 {
		t.Errorf("asked again: %d runs, %v", runs(), err)
	}
	now = now.Add(time.Hour)
	if _, err := ask("stonith:x"); err != nil || runs() != 2 {
		t.Errorf("asked an hour later: %d runs, %v", runs(), err)
	}
	for _, name := range []string{"lsb:big", "lsb:odd"} {
		if _, err := ask(name); !errors.As(err, new(*lb.ConflictError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An agent checks parameters on this node; arguments of programs are no place for secrets.
func TestAgentsCheckParameters(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	c := pacemaker.New(pacemaker.Config{})
	if !c.Installed() {
		testkit.Missing(t, "Pacemaker's tools are not installed; make setup installs them")
	}
	agents := pacemaker.NewAgents(c, time.Now)
	got, err := agents.Check(t.Context(), "ocf:pacemaker:Dummy", nil)
	if err != nil || !got.Valid || got.Meaning != "ok" {
		t.Errorf("Dummy: %+v, %v", got, err)
	}
	if got, err = agents.Check(t.Context(), "ocf:heartbeat:IPaddr2", map[string]string{"ip": "192.0.2.777"}); errors.As(err, new(*lb.NotFoundError)) {
		testkit.Missing(t, "ocf:heartbeat:IPaddr2 is not installed; make setup installs resource-agents")
	} else if err != nil || got.Valid || got.Code == 0 || !strings.Contains(got.Output, "192.0.2.777") {
		t.Errorf("a bad address: %+v, %v", got, err)
	}
	// What may be a secret is left out, and named.
	secrets := map[string]string{"passwd": "topsecret7", "fake": cibxml.Masked}
	if got, err = agents.Check(t.Context(), "ocf:pacemaker:Dummy", secrets); err != nil || !got.Valid || !slices.Equal(got.Unchecked, []string{"fake", "passwd"}) {
		t.Errorf("secrets: %+v, %v", got, err)
	}
	many := map[string]string{}
	for i := range 101 {
		many["p"+strings.Repeat("x", i%90)+string(rune('a'+i/90))] = "1"
	}
	for field, params := range map[string]map[string]string{
		"params.a b": {"a b": "1"}, "params.-x": {"-x": "1"}, "params.a": {"a": "x\ny"}, "params": many,
		"params.ip": {"ip": strings.Repeat("1", 5000)},
	} {
		_, err := agents.Check(t.Context(), "ocf:heartbeat:IPaddr2", params)
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != field || strings.Contains(err.Error(), "topsecret7") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, name := range []string{"stonith:fence_watchdog", "systemd:ssh", "nope"} {
		if _, err := agents.Check(t.Context(), name, nil); err == nil {
			t.Errorf("%s is checked", name)
		}
	}
	if _, err := agents.Check(t.Context(), "ocf:heartbeat:nope", nil); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("no such agent: %v", err)
	}
}
