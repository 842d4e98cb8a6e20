package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/cli"
	"thalassa/store"
)

// A setting that only a part of the agent can judge ends the program as a wrong
// command line does.
func TestSettingsThatThePartsRefuse(t *testing.T) {
	for flags, says := range map[string]string{
		"--service-reg ftp://x":   "setting up discovery",
		"--consul-ca-file /no/ca": "/no/ca",
		"--template-file /no/t":   "setting up the agent: reading the template: open /no/t",
		"--token-file /no/tokens": "thalassa: reading tokens: open /no/tokens",
	} {
		var out, errs strings.Builder
		args := append([]string{"agent", "--port", "0", "--db-path", t.TempDir()}, strings.Fields(flags)...)
		code := run(t.Context(), nil, args, cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
		})
		if code != 2 || out.Len() > 0 || !strings.Contains(errs.String(), says) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, expected it to hold %q", flags, code, &out, &errs, says)
		}
	}
}

// sealedSchema is a schema number as the database holds it.
func sealedSchema(n int) []byte {
	doc := fmt.Appendf(nil, `{"schema":%d}`, n)
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for _, part := range [][]byte{[]byte("meta"), []byte("schema"), doc} {
		sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		sum.Write(part)
	}
	return fmt.Appendf(nil, "%08x %s", sum.Sum32(), doc)
}

// systemd starts the agent again unless it exits with 2. With a database of a newer
// version, it would do so for ever.
func TestADatabaseOfANewerVersionEndsTheAgentForGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "thalassa.db")
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.ReplaceAll(data, sealedSchema(2), sealedSchema(3))
	if bytes.Equal(newer, data) {
		t.Fatal("the file has no schema 2")
	}
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	args := []string{"agent", "--port", "0", "--db-path", filepath.Dir(path)}
	code := run(t.Context(), nil, args, cli.Environment{
		Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
	})
	if code != 2 || !strings.Contains(errs.String(), "has schema 3, and this version knows only 2") {
		t.Errorf("exit code %d, stderr %q", code, &errs)
	}
	if unit, err := os.ReadFile("../../packaging/thalassa.service"); err != nil || !strings.Contains(string(unit), "\nRestartPreventExitStatus=2\n") {
		t.Errorf("systemd starts it again: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, newer) {
		t.Errorf("the database was changed: %v", err)
	}
}
