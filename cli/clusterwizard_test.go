package cli_test

import (
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
)

// clusterShell runs commands against an agent whose cluster is in memory.
func clusterShell(t *testing.T) *fixture {
	t.Helper()
	c := apitest.NewCluster()
	return open(t, func(cfg *api.Config) {
		cfg.Cluster, cfg.ClusterActions, cfg.ClusterConfiguration, cfg.ClusterJobs = c, c, c, c
		cfg.ClusterForesight, cfg.ClusterDrafts = c, &apitest.ClusterDrafts{}
		cfg.ClusterAgents, cfg.ClusterHAProxy = apitest.ClusterAgents{}, c
	})
}

func TestClusterWizards(t *testing.T) {
	s := clusterShell(t)
	for command, words := range map[string][]string{
		"wizard":                      {"floating-ip", "web-server", "ticket"},
		"wizard fence-device":         {"params.NAME", "stonith:external/ipmi", "n1, n2", "required", "60s"},
		"wizard --output json":        {`"wizards"`, `"loss-policy"`},
		"wizard ticket --output json": {`"name": "ticket"`, `"demote"`},
	} {
		got := s.run(append([]string{"cluster"}, strings.Fields(command)...)...)
		for _, word := range words {
			if got.code != cli.ExitOK || !strings.Contains(got.out, word) {
				t.Errorf("%s: exit code %d, no %q in\n%s%s", command, got.code, word, got.out, got.errors)
			}
		}
	}
	got := s.run("cluster", "wizard", "floating-ip", "id=shop", "ip=192.0.2.77/24", "-m", "the shop")
	for _, word := range []string{"primitives/shop", "thalassa cluster draft diff 1", "thalassa cluster draft commit 1"} {
		if got.code != cli.ExitOK || !strings.Contains(got.out, word) {
			t.Errorf("exit code %d, no %q in\n%s%s", got.code, word, got.out, got.errors)
		}
	}
	got = s.execute("topsecret7\n", "cluster", "wizard", "fence-device", "id=f1", "agent=stonith:external/ipmi", "nodes=n1 n2", "params.hostname=n1", "params.passwd=-", "--draft", "1", "--output", "json")
	if got.code != cli.ExitOK || !strings.Contains(got.out, `"primitives/f1"`) || strings.Contains(got.out+got.errors, "topsecret7") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errors)
	}
	if got = s.run("cluster", "draft"); !strings.Contains(got.out, "the shop") {
		t.Errorf("drafts: %s%s", got.out, got.errors)
	}
	if got = s.run("cluster", "draft", "commit", "1"); got.code != cli.ExitOK {
		t.Errorf("commit: exit code %d: %s", got.code, got.errors)
	}
	if got = s.run("cluster", "config", "get", "primitives", "f1"); !strings.Contains(got.out, `"pcmk_host_list": "n1,n2"`) || !strings.Contains(got.out, `"passwd": "********"`) {
		t.Errorf("the fence device: %s%s", got.out, got.errors)
	}
}

func TestClusterWizardsRefuse(t *testing.T) {
	s := clusterShell(t)
	for command, want := range map[string]struct {
		code  int
		words string
	}{
		"nope":                             {cli.ExitUsage, "expected one of floating-ip"},
		"nope a=b":                         {cli.ExitNotFound, "does not exist"},
		"floating-ip ip":                   {cli.ExitUsage, "FIELD=VALUE"},
		"floating-ip =x":                   {cli.ExitUsage, "FIELD=VALUE"},
		"floating-ip ip=a ip=b":            {cli.ExitUsage, "each field once"},
		"floating-ip ip=- id=-":            {cli.ExitUsage, "id=-: standard input is read already"},
		"floating-ip ip=x":                 {cli.ExitUsage, "an IP address such as"},
		"floating-ip ip=192.0.2.77 id=vip": {cli.ExitUsage, `"vip" is the id of a primitive`},
		"floating-ip ip=192.0.2.77 id=a --draft 9": {cli.ExitNotFound, "cluster/drafts/9"},
	} {
		got := s.run(append([]string{"cluster", "wizard"}, strings.Fields(command)...)...)
		if got.code != want.code || !strings.Contains(got.errors, want.words) {
			t.Errorf("%s: exit code %d, expected %d and %q: %s%s", command, got.code, want.code, want.words, got.out, got.errors)
		}
	}
}
