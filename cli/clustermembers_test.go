package cli_test

import (
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cli"
	"thalassa/lb"
)

// With --agent, an agent changes the membership of its node, and the final state is shown.
func TestMembershipByAnAgent(t *testing.T) {
	members := &apitest.ClusterMembers{}
	s := open(t, apitest.InCluster(apitest.NewCluster()), func(cfg *api.Config) { cfg.ClusterMembers = members })
	run := func(code int, words, line string) string {
		t.Helper()
		got := s.execute("", append([]string{"cluster"}, strings.Fields(strings.ReplaceAll(line, "URL", s.url))...)...)
		if got.code != code || !strings.Contains(got.out+got.errors, words) {
			t.Fatalf("%s: exit code %d: %s%s, expected %d with %q", line, got.code, got.out, got.errors, code, words)
		}
		return got.out
	}
	run(cli.ExitOK, "thalassa cluster join "+apitest.InvitationCode+" --agent", "invite --agent URL --for 1h")
	run(cli.ExitConflict, "one is open", "invite --agent URL")
	run(cli.ExitOK, "the invitation has ended", "invite --agent URL --end")
	run(cli.ExitNotFound, "invitation", "invite --agent URL --end")
	if out := run(cli.ExitOK, `"code": "`+apitest.InvitationCode+`"`, "invite --agent URL -o json"); !strings.HasPrefix(out, "{") {
		t.Errorf("JSON: %s", out)
	}
	run(cli.ExitUsage, "--yes", "join SECRET --agent URL")
	run(cli.ExitOK, "member  done", "join SECRET --agent URL --node n9 --address 192.0.2.9 --yes")
	if len(members.Joins) != 1 || members.Joins[0].Code != "SECRET" || members.Joins[0].Node != "n9" || len(members.Joins[0].Addresses) != 1 {
		t.Errorf("%+v", members.Joins)
	}
	run(cli.ExitOK, "job", "leave n2 --agent URL --yes")
	run(cli.ExitUsage, "--yes", "leave n2")
	run(cli.ExitOK, "", "leave n2 --dry-run")
	run(cli.ExitOK, "job", "forget n2 n3 --down --agent URL --yes")
	run(cli.ExitUsage, "forget n2; expected --yes", "forget n2 --agent URL")
	run(cli.ExitOK, "", "forget n2 --agent URL --dry-run")
	run(cli.ExitUsage, "--port: has no meaning with --agent", "forget n2 --agent URL --port 7")
	for line, words := range map[string]string{
		"leave --agent URL": "expected NODE", "invite --agent URL --port 7": "--port: has no meaning with --agent", "join SECRET --agent URL --dry-run": "--dry-run",
		"invite --end": "expected --agent", "join SECRET --agent URL --address nonsense --yes": "addresses[0]",
	} {
		if out := run(cli.ExitUsage, words, line); strings.Contains(out, "SECRET") {
			t.Errorf("%s: %s", line, out)
		}
	}
	members.NoCode = true
	if out := run(cli.ExitOK, "no code was made, and no node can join: the invitation is done; there is no code: it has joined", "invite --agent URL"); strings.Contains(out, "thalassa cluster join") {
		t.Errorf("a command without a code: %s", out)
	}
	members.NoCode = false
	members.Off = &lb.ConflictError{ID: "cluster", Reason: "systemctl enable --now thalassa-membership.socket turns it on"}
	run(cli.ExitConflict, "thalassa-membership.socket", "join SECRET --agent URL --yes")
}
