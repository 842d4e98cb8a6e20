package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/cli"
	"thalassa/internal/testkit"
)

// Each failure of Pacemaker's tools has its exit code and its words.
func TestClusterFailuresHaveExitCodes(t *testing.T) {
	shell := open(t)
	for code, want := range map[int]struct {
		exit  int
		words string
	}{
		4: {cli.ExitForbidden, "permission denied"}, 102: {cli.ExitUnavailable, "does not run on this node"}, 103: {cli.ExitConflict, "has changed meanwhile"},
		105: {cli.ExitNotFound, "no such node"}, 106: {cli.ExitUnavailable, "no quorum"}, 107: {cli.ExitConflict, "forbids it"}, 108: {cli.ExitConflict, "exists already"},
		78: {cli.ExitRefused, "is invalid"}, 124: {cli.ExitUnavailable, "no answer in time"}, 1: {cli.ExitFailure, "failed"}, 64: {cli.ExitFailure, "does not support"},
	} {
		dir := t.TempDir()
		script := fmt.Sprintf("#!/bin/sh\necho '<cib>secret</cib>'\nexit %d\n", code)
		if err := testkit.WriteProgram(filepath.Join(dir, "cibadmin"), []byte(script)); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"status"}, {"plan", "--ip", "192.0.2.10/24"}, {"move", "n1"}, {"cleanup"}, {"rollout"}} {
			got := shell.run(append(append([]string{"cluster"}, command...), "--tools", dir)...)
			if got.code != want.exit || !strings.Contains(got.errors, want.words) || strings.Contains(got.out+got.errors, "secret") {
				t.Errorf("%s after %d: exit code %d, expected %d: %s", command, code, got.code, want.exit, got.errors)
			}
		}
	}
}

func TestClusterWithoutPacemaker(t *testing.T) {
	got := open(t).run("cluster", "status", "--tools", t.TempDir())
	if got.code != cli.ExitUnavailable || !strings.Contains(got.errors, "not installed on this node") {
		t.Errorf("exit code %d: %s", got.code, got.errors)
	}
}

func TestClusterDescriptionFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	for content, words := range map[string]string{
		"ip: [192.0.2.10]\n":                         `"192.0.2.10" is not an address with a prefix length`,
		"ip: [192.0.2.10/24]\nring: 1\n":             "ring is not a setting",
		"ip: [192.0.2.10/24]\ntopology: ring\n":      `"ring" is unknown`,
		"ip: [192.0.2.10/24]\nparameter: [config]\n": "is not of the form name=value",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := open(t).run("cluster", "plan", "-f", file, "--tools", t.TempDir())
		if got.code != cli.ExitUsage || !strings.Contains(got.errors, words) {
			t.Errorf("%s: exit code %d: %s", content, got.code, got.errors)
		}
	}
}

// A zero is a value, and not the default: it is refused where it has no meaning.
func TestClusterRefusesZeros(t *testing.T) {
	shell := open(t)
	for _, command := range [][]string{
		{"plan", "--monitor", "0"},
		{"apply", "--stop-timeout", "0s"},
		{"standby", "n1", "--wait", "0"},
		{"apply", "--wait", "-1s"},
		{"rollout", "--validate-timeout", "0"},
		{"rollout", "--wait", "0"},
		{"destroy", "--wait", "0"},
	} {
		got := shell.run(append(append([]string{"cluster"}, command...), "--tools", t.TempDir())...)
		if flag := command[len(command)-2]; got.code != cli.ExitUsage || !strings.Contains(got.errors, flag+": ") {
			t.Errorf("%s: exit code %d: %s", command, got.code, got.errors)
		}
	}
}

// onCIB runs commands about the cluster on a copy of a CIB in a file.
func onCIB(t *testing.T, name string) (command func(args ...string) (code int, out, errs string), path string) {
	t.Helper()
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	path = filepath.Join(t.TempDir(), "cib.xml")
	data, err := os.ReadFile(filepath.Join("..", "pacemaker", "testdata", name))
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (int, string, string) {
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"cluster"}, args...), cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
			Getenv: func(name string) string { return map[string]string{"CIB_file": path}[name] },
		})
		return code, out.String(), errs.String()
	}, path
}

// What flags and files say about the failures of a resource reaches the plan as it is.
func TestClusterPlanWithZeros(t *testing.T) {
	command, _ := onCIB(t, "empty.xml")
	what := []string{"--ip", "192.0.2.10/24", "--resource-agent", "ocf:heartbeat:Dummy"}
	if code, _, errs := command(append([]string{"apply", "--stickiness", "0", "--migration-threshold", "0", "--failure-timeout", "0"}, what...)...); code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	_, out, errs := command(append([]string{"plan"}, what...)...)
	for _, want := range []string{"resource-stickiness of vip to 100, which is 0", "migration-threshold of haproxy to 3, which is 0", "failure-timeout of vip to 60s, which is 0s"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s%s", want, out, errs)
		}
	}
}

// A cluster that is too large to predict can be acted on with --force, and only then.
func TestClusterActionWithoutPrediction(t *testing.T) {
	command, path := onCIB(t, "failed.xml")
	dir := t.TempDir()
	for tool, script := range map[string]string{
		"crm_simulate": "exit 124", "cibadmin": `exec /usr/sbin/cibadmin "$@"`, "crm_mon": `exec /usr/sbin/crm_mon "$@"`,
		"crm_node": `exec /usr/sbin/crm_node "$@"`, "crm_attribute": `exec /usr/sbin/crm_attribute "$@"`,
		"crm_diff": `exec /usr/sbin/crm_diff "$@"`,
	} {
		if err := testkit.WriteProgram(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	isStandby := func() bool {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(data), `name="standby" value="on"`)
	}
	code, _, errs := command("standby", "n2", "--tools", dir)
	if code != cli.ExitUnavailable || isStandby() || !strings.Contains(errs, "2 resources on 3 nodes") || !strings.Contains(errs, "--force continues") {
		t.Errorf("exit code %d, standby %t: %s", code, isStandby(), errs)
	}
	code, _, errs = command("standby", "n2", "--tools", dir, "--force")
	if code != cli.ExitOK || !isStandby() || !strings.Contains(errs, "without a prediction") {
		t.Errorf("with --force: exit code %d, standby %t: %s", code, isStandby(), errs)
	}
}
