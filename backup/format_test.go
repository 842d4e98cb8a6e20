package backup_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"thalassa/backup"
)

func sample(tb testing.TB) []byte {
	tb.Helper()
	var out bytes.Buffer
	err := backup.Write(&out, backup.Header{Program: "1.2.3", Node: "lb1", Time: time.Unix(1, 0).UTC(), Revision: 7}, []backup.Entry{
		{Kind: "object", ID: "backend/live", Doc: json.RawMessage(`{"type":"static"}`)},
		{Kind: "draft", ID: "1", Doc: json.RawMessage(`{}`)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func read(r io.Reader) (backup.Header, []backup.Entry, error) {
	var list []backup.Entry
	h, err := backup.Read(r, func(e backup.Entry) error {
		list = append(list, e)
		return nil
	})
	return h, list, err
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	h, list, err := read(bytes.NewReader(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	if h.Revision != 7 || h.Node != "lb1" || h.Program != "1.2.3" || h.Entries != 2 || !h.Time.Equal(time.Unix(1, 0)) {
		t.Errorf("header %+v", h)
	}
	if fmt.Sprintf("%s", list) != "[{object backend/live {\"type\":\"static\"}} {draft 1 {}}]" {
		t.Errorf("entries %s", list)
	}
	if !bytes.Equal(sample(t), sample(t)) {
		t.Error("equal states give different backups")
	}
}

// TestEveryBitCounts flips each bit, and ends the file at each byte.
func TestEveryBitCounts(t *testing.T) {
	sound := sample(t)
	for i := range sound {
		for bit := range 8 {
			flipped := bytes.Clone(sound)
			flipped[i] ^= 1 << bit
			if _, _, err := read(bytes.NewReader(flipped)); !errors.As(err, new(*backup.Error)) {
				t.Fatalf("bit %d of byte %d (%q): %v", bit, i, sound[i], err)
			}
		}
		if _, _, err := read(bytes.NewReader(sound[:i])); !errors.As(err, new(*backup.Error)) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
}

// endless is a file without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for n := copy(p, "x"); n < len(p); n *= 2 { // byte by byte takes long with the race detector
		copy(p[n:], p[:n])
	}
	e.read += len(p)
	return len(p), nil
}

func TestWhatIsNoBackupIsNamed(t *testing.T) {
	sound := string(sample(t))
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(z, &endless{}, 4<<20); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(sound, "\n")
	for text, want := range map[string]string{
		"":                             "line 1 of the backup is not that of a backup",
		`{"version":1}` + "\n":         "line 1 of the backup is not that of a backup",
		"global\n  daemon\n":           "line 1 of the backup is not that of a backup",
		bomb.String():                  "is compressed with gzip",
		sound + "\n":                   "line 5 of the backup is behind the end",
		sound[:len(sound)-1]:           "is incomplete: it ends in line 4",
		lines[0]:                       "is incomplete: it ends in line 2",
		lines[0] + lines[1] + lines[1]: `line 3 of the backup has the object "backend/live" of line 2 again`,
		lines[0] + lines[2] + lines[1] + lines[3]:                  "is damaged: its digest",
		strings.Replace(sound, `"version":1`, `"version":3`, 1):    "a newer Thalassa (1.2.3) wrote it",
		strings.Replace(sound, `"version":1`, `"version":0`, 1):    "has format version 0, expected 1",
		strings.Replace(sound, `"entries":2`, `"entries":-2`, 1):   "says that it has -2 entries",
		strings.Replace(sound, `"entries":2`, `"entries":1`, 1):    "its digest is not that",
		strings.Replace(sound, `"entries":2`, `"entries":9e8`, 1):  "line 1 of the backup",
		strings.Replace(sound, `"kind":"draft"`, `"kind":""`, 1):   "line 3 of the backup is damaged",
		strings.Replace(sound, `"kind":"draft"`, `"keys":"ok"`, 1): "line 3 of the backup is damaged",
	} {
		_, _, err := read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestABackupIsBounded(t *testing.T) {
	e := &endless{}
	if _, _, err := read(e); err == nil || e.read > 1<<20 {
		t.Errorf("%v after %d bytes", err, e.read)
	}
	header := strings.SplitAfter(string(sample(t)), "\n")[0]
	if _, _, err := read(io.MultiReader(strings.NewReader(header), e)); err == nil || !strings.Contains(err.Error(), "larger than") || e.read > backup.MaxBytes+1<<20 {
		t.Errorf("%v after %d bytes", err, e.read)
	}
	large := backup.Entry{Kind: "object", ID: "x", Doc: json.RawMessage(`"` + strings.Repeat("x", backup.MaxBytes) + `"`)}
	var out bytes.Buffer
	if err := backup.Write(&out, backup.Header{}, []backup.Entry{large}); !errors.As(err, new(*backup.TooLargeError)) || out.Len() > 0 {
		t.Errorf("%v after %d bytes", err, out.Len())
	}
}

func TestTheErrorOfAnEntryEndsTheReading(t *testing.T) {
	refused := errors.New("refused")
	if _, err := backup.Read(bytes.NewReader(sample(t)), func(backup.Entry) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, list, err := read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := backup.Write(&again, h, list); err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(&again); err != nil {
			t.Fatalf("what was read is not written so that it can be read: %v", err)
		}
	})
}
