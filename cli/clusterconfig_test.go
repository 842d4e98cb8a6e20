package cli_test

import (
	"strings"
	"testing"

	"thalassa/cli"
)

// The whole configuration in each of its forms, live and in a draft.
func TestClusterConfigShow(t *testing.T) {
	s := clusterShell(t)
	s.execute(`{"objects": ["vip"]}`, "cluster", "draft", "new", "next")
	s.execute(`{"objects": ["vip"]}`, "cluster", "config", "put", "tags", "shop", "-", "--draft", "next")
	for _, command := range [][]string{{"cluster", "draft"}, {"cluster", "draft", "show", "next"}} {
		if got := s.run(command...); got.code != cli.ExitOK || !strings.Contains(got.out, "n1, n2") {
			t.Errorf("%v does not name the nodes that have the draft:\n%s%s", command, got.out, got.errors)
		}
	}
	for command, words := range map[string][]string{
		"show":                            {"node 1: n1\nnode 2: n2\nprimitive vip ocf:heartbeat:IPaddr2\n"},
		"show --format xml":               {"<configuration>\n", `<primitive id="vip" class="ocf"`},
		"show --format json":              {`"primitives"`, `"agent": "ocf:heartbeat:IPaddr2"`},
		"show --output json":              {`"primitives"`},
		"show --draft next":               {"\ntag shop vip\n"},
		"show --format xml --draft next":  {`<tag id="shop">`},
		"show --format json --draft=next": {`"shop"`},
	} {
		got := s.run(append([]string{"cluster", "config"}, strings.Fields(command)...)...)
		for _, word := range words {
			if got.code != cli.ExitOK || !strings.Contains(got.out, word) {
				t.Errorf("%s: exit code %d, no %q in\n%s%s", command, got.code, word, got.out, got.errors)
			}
		}
	}
	if got := s.run("cluster", "config", "show", "--format", "yaml"); got.code != cli.ExitUsage || !strings.Contains(got.errors, "expected crm, xml or json") {
		t.Errorf("exit code %d: %s", got.code, got.errors)
	}
	if got := s.run("cluster", "config", "show"); strings.Contains(got.out, "tag shop") {
		t.Errorf("the draft is in effect:\n%s", got.out)
	}
}

// An agent checks parameters, and says what is wrong with them.
func TestClusterAgentsValidate(t *testing.T) {
	s := clusterShell(t)
	for command, want := range map[string]struct {
		code  int
		words string
	}{
		"ocf:heartbeat:IPaddr2 ip=192.0.2.77":               {cli.ExitOK, "ok"},
		"ocf:heartbeat:IPaddr2 ip=192.0.2.66":               {cli.ExitRefused, "findif failed for ip"},
		"ocf:heartbeat:IPaddr2 ip=192.0.2.66 --output json": {cli.ExitRefused, `"valid": false`},
		"ocf:heartbeat:IPaddr2 ip=192.0.2.77 passwd=x7":     {cli.ExitOK, "not checked, because it may be a secret: passwd"},
		"ocf:heartbeat:Nope":                                {cli.ExitNotFound, "does not exist"},
		"ocf:heartbeat:IPaddr2 ip":                          {cli.ExitUsage, "FIELD=VALUE"},
		"":                                                  {cli.ExitUsage, "the name of an agent"},
	} {
		got := s.run(append([]string{"cluster", "agents", "validate"}, strings.Fields(command)...)...)
		if got.code != want.code || !strings.Contains(got.out+got.errors, want.words) {
			t.Errorf("%s: exit code %d, expected %d and %q: %s%s", command, got.code, want.code, want.words, got.out, got.errors)
		}
	}
}
