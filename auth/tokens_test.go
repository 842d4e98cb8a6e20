package auth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
	"thalassa/internal/testkit"
)

const (
	readToken   = "r-0123456789abcdef"
	deployToken = "d-0123456789abcdef"
	adminToken  = "a-0123456789abcdef"
)

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func writeFile(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func tokenFile(tb testing.TB, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tokens")
	writeFile(tb, path, content)
	return path
}

func open(tb testing.TB, content string) *auth.Tokens {
	tb.Helper()
	tokens, err := auth.Open(tokenFile(tb, content), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return tokens
}

func TestAuthenticate(t *testing.T) {
	tokens := open(t, "# who may do what\n\nread dashboard "+readToken+"\n\tdeploy  ci\t"+hashed(deployToken)+"  \nadmin ops "+adminToken)
	tests := map[string]auth.Identity{
		readToken:   {Name: "dashboard", Grant: auth.Grant{Role: auth.Read}},
		deployToken: {Name: "ci", Grant: auth.Grant{Role: auth.Deploy}},
		adminToken:  {Name: "ops", Grant: auth.Grant{Role: auth.Admin}},
	}
	for bearer, want := range tests {
		if got, ok := tokens.Authenticate(bearer); !ok || got != want {
			t.Errorf("Authenticate(%s) = %v, %v, want %v", bearer, got, ok, want)
		}
	}
	for _, bearer := range []string{"", "x", readToken[:len(readToken)-1], readToken + "x", strings.ToUpper(readToken), hashed(deployToken)} {
		if got, ok := tokens.Authenticate(bearer); ok || got != (auth.Identity{}) {
			t.Errorf("Authenticate(%q) = %v, %v, want nobody", bearer, got, ok)
		}
	}
}

func TestAHashOfAShortTokenIsNoWayAroundTheLength(t *testing.T) {
	if who, ok := open(t, "admin ops "+hashed("short")).Authenticate("short"); ok {
		t.Errorf("a token of 5 characters is accepted as %v", who)
	}
}

func TestNilTokensKnowNobody(t *testing.T) {
	var tokens *auth.Tokens
	if who, ok := tokens.Authenticate(adminToken); ok {
		t.Errorf("nil tokens know %v", who)
	}
}

func TestTwoTokensOfOneName(t *testing.T) {
	tokens := open(t, "admin ops "+adminToken+"\nadmin ops "+readToken+"\n")
	for _, bearer := range []string{adminToken, readToken} {
		if who, ok := tokens.Authenticate(bearer); !ok || who.Name != "ops" {
			t.Errorf("Authenticate(%s) = %v, %v", bearer, who, ok)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	const secret = "s3cr3t-0123456789abcdef"
	tests := []struct{ name, content, want string }{
		{"nothing", "", "has no token"},
		{"comments only", "# nobody\n", "has no token"},
		{"two words", "\nread " + secret + "\n", ":2: has 2 words, expected ROLE NAME TOKEN"},
		{"four words", "read ci " + secret + " # ci\n", ":1: has 5 words"},
		{"columns mixed up", secret + " ci read\n", ":1: the role is not one of"},
		{"an unknown role", "root ci " + secret + "\n", ":1: the role is not one of [read deploy operate admin]"},
		{"token as name", "read " + secret + "/x ci\n", ":1: the name is not"},
		{"a name like an anonymous author", "read anonymous@10.0.0.1 " + secret + "\n", ":1: the name is not"},
		{"a short token", "read ci s3cr3t\n", ":1: the token is shorter than 16"},
		{"a short hash", "read ci sha256:0123456789abcdef\n", ":1: sha256: is not followed by the 64"},
		{"a long hash", "read ci " + hashed(secret) + "00\n", ":1: sha256: is not followed by the 64"},
		{"no hash", "read ci sha256:" + strings.Repeat("z", 64) + "\n", ":1: sha256: is not followed by the 64"},
		{"beyond ASCII", "read ci s3cr3t-äöüäöüäöüäöü\n", ":1: the token has a character"},
		{"a control character", "read ci s3cr3t-0123456789\x00\n", ":1: the token has a character"},
		{"a token twice", "read ci " + secret + "\n#\nadmin ops " + hashed(secret) + "\n", ":3: has the same token as line 1"},
		{"too large", strings.Repeat("#", 1<<20) + "\nread ci " + secret + "\n", "is larger than"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			path := tokenFile(t, tc.content)
			_, err := auth.Open(path, nil)
			if err == nil {
				t.Fatal("the file is accepted")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want the path and %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

func TestOpenRefusesFilesThatOthersGetAt(t *testing.T) {
	for _, mode := range []os.FileMode{0o604, 0o602, 0o601, 0o644, 0o666} {
		path := tokenFile(t, "read ci "+readToken)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := auth.Open(path, nil); err == nil || !strings.Contains(err.Error(), "expected 0600 or 0640") {
			t.Errorf("mode %v: error %v", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640, 0o660} {
		path := tokenFile(t, "read ci "+readToken)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := auth.Open(path, nil); err != nil {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestOpenRefusesFilesOfOtherUsers(t *testing.T) {
	testkit.NeedsRoot(t)
	path := tokenFile(t, "read ci "+readToken)
	if err := os.Chown(path, 65533, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Open(path, nil); err == nil || !strings.Contains(err.Error(), "belongs to user 65533") {
		t.Errorf("error %v", err)
	}
	if token, err := auth.PlainToken(path); err != nil || token != readToken { // it trusts nobody
		t.Errorf("token %q, error %v", token, err)
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing"), dir, fifo} {
		if _, err := auth.Open(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): error %v, want one that names the path", path, err)
		}
	}
}

// knows reports whether a token is in force, once the file is due to be looked
// at again.
func knows(tokens *auth.Tokens, bearer string) bool {
	time.Sleep(1100 * time.Millisecond) // in a bubble: no time passes outside
	_, ok := tokens.Authenticate(bearer)
	return ok
}

func TestAChangedFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := tokenFile(t, "read ci "+readToken)
		tokens, err := auth.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, "admin ops "+adminToken)
		if _, ok := tokens.Authenticate(adminToken); ok {
			t.Error("the file is looked at more often than once a second")
		}
		if !knows(tokens, adminToken) {
			t.Error("the new token is not known")
		}
		if _, ok := tokens.Authenticate(readToken); ok {
			t.Error("the removed token is still in force")
		}
		replace(t, path, "read ci "+readToken)
		if !knows(tokens, readToken) || knows(tokens, adminToken) {
			t.Error("a file renamed into place is not taken over")
		}
	})
}

// replace writes a file beside path and renames it into place.
func replace(t *testing.T, path, content string) {
	t.Helper()
	writeFile(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestABrokenFileLeavesTheFormerTokensInForce(t *testing.T) {
	breaks := map[string]func(t *testing.T, path string){
		"a bad line": func(t *testing.T, path string) {
			t.Helper()
			writeFile(t, path, "admin ops "+adminToken+"\nnonsense\n")
		},
		"emptied":           func(t *testing.T, path string) { t.Helper(); writeFile(t, path, "") },
		"readable by all":   func(t *testing.T, path string) { t.Helper(); must(t, os.Chmod(path, 0o644)) },
		"gone":              func(t *testing.T, path string) { t.Helper(); must(t, os.Remove(path)) },
		"replaced by a dir": func(t *testing.T, path string) { t.Helper(); must(t, os.Remove(path)); must(t, os.Mkdir(path, 0o700)) },
	}
	for name, spoil := range breaks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				path := tokenFile(t, "read ci "+readToken)
				tokens, err := auth.Open(path, slog.New(slog.NewTextHandler(&log, nil)))
				if err != nil {
					t.Fatal(err)
				}
				spoil(t, path)
				for range 3 {
					if !knows(tokens, readToken) || knows(tokens, adminToken) {
						t.Fatal("the former tokens are not in force")
					}
				}
				if n := strings.Count(log.String(), "token file unusable"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, log.String())
				}
				must(t, os.RemoveAll(path))
				writeFile(t, path, "admin ops "+adminToken)
				if !knows(tokens, adminToken) {
					t.Error("the mended file is not taken over")
				}
				if !strings.Contains(log.String(), "token file reloaded") {
					t.Errorf("the recovery is not logged:\n%s", log.String())
				}
				for _, token := range []string{readToken, adminToken} {
					if strings.Contains(log.String(), token) {
						t.Errorf("the log tells a token:\n%s", log.String())
					}
				}
			})
		})
	}
}

func TestTheSameMistakeIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		path := tokenFile(t, "read ci "+readToken)
		tokens, err := auth.Open(path, slog.New(slog.NewTextHandler(&log, nil)))
		must(t, err)
		for i := range 3 {
			writeFile(t, path, "nonsense"+strings.Repeat("\n", i))
			if !knows(tokens, readToken) {
				t.Error("the former token is not in force")
			}
		}
		writeFile(t, path, "\nother nonsense")
		knows(tokens, readToken)
		if n := strings.Count(log.String(), "token file unusable"); n != 2 {
			t.Errorf("two mistakes are logged %d times:\n%s", n, log.String())
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTokensAreUsedConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := tokenFile(t, "read ci "+readToken)
		tokens, err := auth.Open(path, nil)
		must(t, err)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					if !knows(tokens, readToken) {
						t.Error("a token in force is refused")
					}
				}
			})
		}
		for range 5 {
			time.Sleep(3 * time.Second)
			replace(t, path, "read ci "+readToken+"\nadmin ops "+adminToken)
		}
		wg.Wait()
	})
}

func FuzzOpen(f *testing.F) {
	f.Add("read ci " + readToken + "\n")
	f.Add("# x\nadmin ops " + hashed(adminToken) + "\r\n")
	f.Add("read ci sha256:\nread")
	path := filepath.Join(f.TempDir(), "tokens")
	f.Fuzz(func(t *testing.T, content string) {
		writeFile(t, path, content)
		tokens, err := auth.Open(path, nil)
		if err != nil {
			for word := range strings.FieldsSeq(content) {
				if len(word) > 16 && strings.Contains(strings.TrimPrefix(err.Error(), "reading tokens: "+path), word) {
					t.Errorf("the error repeats a word of the file: %v", err)
				}
			}
			return
		}
		for word := range strings.FieldsSeq(content) {
			if who, ok := tokens.Authenticate(word); ok && !who.Allows(auth.Read, auth.TheNode) {
				t.Errorf("%v is known and may not even read", who)
			}
		}
	})
}
