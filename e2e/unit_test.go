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

// TestUnitsOfPAM has systemd look at the socket and the service of thalassa-pam.
func TestUnitsOfPAM(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed here")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket, service := filepath.Join(dir, "thalassa-pam.socket"), filepath.Join(dir, "thalassa-pam@.service")
	copyFile(t, "../packaging/thalassa-pam.socket", socket, nil)
	copyFile(t, "../packaging/thalassa-pam@.service", service, strings.NewReplacer("/usr/local/bin/thalassa-pam", program))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", socket, filepath.Join(dir, "thalassa-pam@1.service")).CombinedOutput()
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
