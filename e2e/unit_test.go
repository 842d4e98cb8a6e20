package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnit has systemd look at the unit, alone and with the drop-in for sudo. It
// says nothing about a unit that is right, and a line about whatever it ignores.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed here")
	}
	unit := unitFolder(t)
	verify := func() {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v:\n%s", err, out)
		}
	}
	verify()
	const exposure = "30" // of 100; a service without any hardening has 96
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold="+exposure, unit).CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	dropIn := unit + ".d"
	if err := os.Mkdir(dropIn, 0o750); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "../packaging/thalassa-sudo.conf", filepath.Join(dropIn, "sudo.conf"), nil)
	verify()
}

// systemd accepts the sockets of the agent's questions to root, and their services.
func TestUnitsOfQuestions(t *testing.T) {
	for name, program := range map[string]string{"thalassa-pam": "/usr/local/bin/thalassa-pam", "thalassa-node": "/usr/local/bin/thalassa", "thalassa-membership": "/usr/local/bin/thalassa"} {
		t.Run(name, func(t *testing.T) { verifyQuestions(t, name, program) })
	}
}

func verifyQuestions(t *testing.T, name, installed string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed here")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket, service := filepath.Join(dir, name+".socket"), filepath.Join(dir, name+"@.service")
	copyFile(t, "../packaging/"+name+".socket", socket, nil)
	copyFile(t, "../packaging/"+name+"@.service", service, strings.NewReplacer(installed+" ", program+" "))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", socket, filepath.Join(dir, name+"@1.service")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
}

// unitFolder has the unit alone, with a program that exists: systemd looks for it.
func unitFolder(t *testing.T) (path string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "thalassa.service")
	copyFile(t, "../packaging/thalassa.service", path, strings.NewReplacer("/usr/local/bin/thalassa", program))
	return path
}

func copyFile(t *testing.T, from, to string, edit *strings.Replacer) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		content = []byte(edit.Replace(string(content)))
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
