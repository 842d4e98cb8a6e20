package head_test

import (
	"os/exec"
	"strings"
	"testing"

	"thalassa/internal/head"
)

// What a program writes is bounded, however os/exec copies it.
func TestOutputOfAProgram(t *testing.T) {
	t.Parallel()
	out, said := head.New(1000), head.New(1000)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "head -c 1000000 /dev/zero; echo wrong >&2")
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.Len() != 1000 || !out.IsCut() || len(out.Bytes()) != 1000 {
		t.Errorf("%d bytes are kept, expected 1000; cut: %t", out.Len(), out.IsCut())
	}
	if said.String() != "wrong\n" || said.IsCut() {
		t.Errorf("got %q, cut: %t", said, said.IsCut())
	}
}

func TestWriteIsNeverShort(t *testing.T) {
	t.Parallel()
	b := head.New(5)
	for _, part := range []string{"abc", "de", "", "f"} {
		if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%q: %d, %v", part, n, err)
		}
		if cut := strings.Contains(part, "f"); b.IsCut() != cut {
			t.Errorf("after %q it is cut: %t", part, b.IsCut())
		}
	}
	if b.String() != "abcde" {
		t.Errorf("got %q", b)
	}
}
