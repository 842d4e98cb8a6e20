package natives_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// A spy runs HAProxy's check on lines in a folder with a file "k", and sees whether
// HAProxy opens it.
type spy struct {
	tb     testing.TB
	binary string
	dir    string
	port   int
	fd     int // of inotify
}

func newSpy(tb testing.TB, binary string) *spy {
	tb.Helper()
	s := &spy{tb: tb, binary: binary, dir: tb.TempDir(), port: testkit.Port(tb)}
	if err := os.WriteFile(filepath.Join(s.dir, "k"), []byte("1 2\n3 4\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			tb.Error(err)
		}
	})
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(s.dir, "k"), unix.IN_OPEN); err != nil {
		tb.Fatal(err)
	}
	s.fd = fd
	return s
}

// opens reports whether HAProxy opens k when it checks the line. Relative names
// begin in the folder, as in the folder of certificates.
func (s *spy) opens(line string) bool {
	s.tb.Helper()
	config := fmt.Sprintf("defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nlisten web\n bind 127.0.0.1:%d\n %s\n", s.port, line)
	if err := os.WriteFile(filepath.Join(s.dir, "haproxy.cfg"), []byte(config), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.tb.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, "-c", "-f", "haproxy.cfg")
	cmd.Dir = s.dir
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.tb.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(s.fd, buf)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		s.tb.Fatal(err)
	}
	return n > 0
}

// tells reports whether the line's uses have k, or its folder, among them, or would
// be refused for another reason than a file.
func (s *spy) tells(line string) bool {
	for _, u := range lb.RawLine(line).Uses() {
		if u.Kind != lb.ContentFile && u.Kind != lb.CertificateFile {
			return true
		}
		name := u.Name
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.dir, name)
		}
		if name = filepath.Clean(name); name == filepath.Join(s.dir, "k") || name == s.dir {
			return true
		}
	}
	return false
}

// files are lines that have HAProxy open k, and some that do not.
func files() []string {
	return []string{
		"acl x path -f k", "acl x src -f ./k", "acl x path -i -m reg -f k", "acl x path -M -m str -f k", `acl x path "-f" 'k'`,
		`acl x path -f \x6b`, "acl x path -- -f k", "http-request deny if { path -f k }", "use_backend web if !{ src -f k } TRUE",
		"errorfile 503 k", "no errorfile 503 k", "default errorfile 503 k", "http-error status 503 errorfile k",
		"http-request return status 200 content-type a file k", "http-request return status 200 content-type a lf-file k",
		"http-request deny deny_status 429 content-type a lf-file k", "http-request tarpit content-type a file k",
		"http-response return status 200 content-type a file k", "http-response deny content-type a file k",
		"http-request set-header x %[path,map(k)]", "http-request set-header x a%{+Q}[path,lower,map_str_int(k)]b",
		`http-request set-header x '%[path,map("k")]'`, `http-request set-header x %[path,map(\"k\",d)]`, "stick on src,map_ip_int(k)",
		"stick on src map_ip_int(k)", "acl x path,map(k) -m found", "http-request set-var(txn.x) path,map_reg(k)",
		"log-format %[path,map(k)]", "unique-id-format %[path,map(k)]", "use_backend %[path,map(k)]", "use-server s if { path,map(k) -m found }",
		"bind 127.0.0.1:1 ssl crt k", "bind 127.0.0.1:1 ssl crt ./k", "bind 127.0.0.1:1 ssl name a crt k alpn h2", "bind 127.0.0.1:1 ssl crt .",
		"bind 127.0.0.1:1 ssl crt-list k", "bind 127.0.0.1:1 ssl verify required ca-file k", "bind 127.0.0.1:1 ssl crl-file k",
		"bind 127.0.0.1:1 ssl tls-ticket-keys k", "bind 127.0.0.1:1 ssl ca-sign-file k generate-certificates", "bind 127.0.0.1:1 ssl ca-verify-file k",
		"bind 127.0.0.1:1 ssl default-crt k", "server s 127.0.0.1:1 ssl ca-file k verify required", "server s 127.0.0.1:1 ssl crt k verify none",
		"server s 127.0.0.1:1 ssl crl-file k", "server-template s 2 127.0.0.1:1 ssl crt k", "default-server ssl crt k", "default-server ca-file k",
		"server s 127.0.0.1:1 ssl verify none sni str(a),map(k)", "filter spoe config k", "filter spoe engine e config k",
		"http-request set-var(txn.x) str(a),jwt_verify(RS256,k)", "http-request set-var(txn.x) str(a),jwt_verify(RS256,'k')",
		"http-request set-map(k) a b", "http-request add-acl(k) a", "http-after-response set-header x %[path,map(k)]",
		"tcp-request content reject if { src -f k }", "tcp-request connection reject if { src -f k }", "tcp-response content reject if { src -f k }",
		"http-check send uri-lf %[str(a),map(k)]", "http-check expect string a on-success %[str(a),map(k)]", "monitor fail if { nbsrv -f k }",
		"redirect prefix / if { path -f k }", "http-request redirect location %[path,map(k)]", "stats http-request deny if { src -f k }",
		"capture request header k len 3", "description k", "option httpchk GET k", "cookie k insert", "server-state-file-name k",
		"ssl-f-use crt k", "acl x path virt@k -f virt@k", "acl x path -f opt@k", "acl x path -f file@k", "force-persist if { path -f k }",
		"ignore-persist if { path -f k }", "email-alert from k", "log 127.0.0.1 local0 if { path -f k }", "balance hash path,map(k)",
		"http-request set-bandwidth-limit k limit path,map(k)", "rate-limit sessions k", "declare capture request len k", "compression algo k",
		"http-request replace-header k k k", "http-request wait-for-body time 1s if { path -f k }", "http-request auth realm k", "filter cache k",
	}
}

// TestHAProxyOpensWhatIsTold has each release check lines, and wants every file that
// it opens to be among those that lb tells.
func TestHAProxyOpensWhatIsTold(t *testing.T) {
	t.Parallel()
	for _, release := range testkit.HAProxies(t) {
		t.Run(release.Version, func(t *testing.T) {
			t.Parallel()
			s := newSpy(t, release.Path)
			opened := 0
			for _, line := range files() {
				opens := s.opens(line)
				if opens {
					opened++
				}
				if opens && !s.tells(line) {
					t.Errorf("%s: HAProxy opens the file, and lb tells of %v", line, lb.RawLine(line).Uses())
				}
			}
			if opened < 40 {
				t.Errorf("HAProxy opened the file for %d lines only, so that the others prove nothing", opened)
			}
		})
	}
}

// FuzzHAProxyOpens tries any lines on the installed HAProxy.
func FuzzHAProxyOpens(f *testing.F) {
	for _, line := range files() {
		f.Add(line)
	}
	s := newSpy(f, testkit.HAProxy(f))
	f.Fuzz(func(t *testing.T, text string) {
		n, err := lb.ParseRawLine(text)
		if err != nil || strings.Contains(text, "jwt_verify") || !strings.Contains(text, "k") && !strings.Contains(text, `\x6`) {
			return
		}
		s.tb = t
		if s.opens(string(n)) && !s.tells(string(n)) {
			t.Errorf("%q: HAProxy opens the file, and lb tells of %v", n, n.Uses())
		}
	})
}

// TestHAProxyKeywords wants every keyword that a release has to be known, but for
// those of other sections.
func TestHAProxyKeywords(t *testing.T) {
	t.Parallel()
	for _, release := range testkit.HAProxies(t) {
		s := newSpy(t, release.Path)
		if err := os.WriteFile(filepath.Join(s.dir, "haproxy.cfg"), []byte("global\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), release.Path, "-dKcfg", "-c", "-f", "haproxy.cfg")
		cmd.Dir = s.dir
		out, _ := cmd.CombinedOutput() // without a listener it ends with 2
		section, seen := "", 0
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "\t") {
				section = strings.TrimSpace(line)
				continue
			}
			if section != "listen" {
				continue
			}
			seen++
			if native := example(strings.TrimSpace(line)); len(unknown(native)) > 0 {
				t.Errorf("%s has %q, which is not known (%s)", release.Version, strings.TrimSpace(line), native)
			}
		}
		if seen < 200 {
			t.Errorf("%s lists %d keywords, fewer than it has", release.Version, seen)
		}
	}
}

// TestHAProxyGlobalKeywords wants every keyword for the global section that a release lists to
// be known, if only as a power.
func TestHAProxyGlobalKeywords(t *testing.T) {
	t.Parallel()
	for _, release := range testkit.HAProxies(t) {
		s := newSpy(t, release.Path)
		if err := os.WriteFile(filepath.Join(s.dir, "haproxy.cfg"), []byte("global\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), release.Path, "-dKcfg", "-c", "-f", "haproxy.cfg")
		cmd.Dir = s.dir
		out, _ := cmd.CombinedOutput() // without a listener it ends with 2
		section, seen := "", 0
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "\t") {
				section = strings.TrimSpace(line)
				continue
			}
			keyword, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if section != "global" || keyword == "" {
				continue
			}
			seen++
			for _, use := range (lb.Section{Kind: lb.SectionGlobal, Natives: []lb.RawLine{lb.RawLine(keyword + " x")}}).Uses()[0] {
				if use.Kind == lb.Unknown {
					t.Errorf("%s has %q, which is not known", release.Version, keyword)
				}
			}
		}
		if seen < 50 {
			t.Errorf("%s lists %d keywords, fewer than it has", release.Version, seen)
		}
	}
	// What an expression of such a line reads is told.
	for line, want := range map[string]lb.UseKind{"set-var proc.x str(a),map(/etc/x.map)": lb.ContentFile, "set-var-fmt proc.x %[env(HOME)]": lb.Environment} {
		uses := (lb.Section{Kind: lb.SectionGlobal, Natives: []lb.RawLine{lb.RawLine(line)}}).Uses()[0]
		if len(uses) != 1 || uses[0].Kind != want {
			t.Errorf("%s: %v", line, uses)
		}
	}
}

// example makes a line of an entry of -dKcfg, such as "bind <addr> ssl alpn +1" or
// "http-request set-var*".
func example(entry string) string {
	entry, _, _ = strings.Cut(entry, " [")
	words := strings.Fields(strings.NewReplacer("<addr>", "127.0.0.1:1", "<name>", "s", "*", "(a)", "+-1", "v", "+1", "v").Replace(entry))
	if words[0] == "filter" {
		return "filter compression"
	}
	if last := len(words) - 1; words[0] == "server" && (words[last] == "usesrc" || words[last] == "set-proxy-v2-tlv-fmt") {
		words = append(words, "v")
	}
	switch words[0] {
	case "tcp-request", "tcp-response", "quic-initial":
		if len(words) == 1 {
			words = append(words, "accept")
		}
	}
	return strings.Join(words, " ")
}

func unknown(line string) []lb.Use {
	var out []lb.Use
	for _, u := range lb.RawLine(line).Uses() {
		if u.Kind == lb.Unknown {
			out = append(out, u)
		}
	}
	return out
}

// TestHAProxyFunctions gives a file to every fetch and converter of a release that
// takes a string, and wants those that open it to be told.
func TestHAProxyFunctions(t *testing.T) {
	t.Parallel()
	for _, release := range testkit.HAProxies(t) {
		s := newSpy(t, release.Path)
		if err := os.WriteFile(filepath.Join(s.dir, "haproxy.cfg"), []byte("global\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), release.Path, "-dKcnv,smp", "-c", "-f", "haproxy.cfg")
		cmd.Dir = s.dir
		out, _ := cmd.CombinedOutput() // without a listener it ends with 2
		told, untold := 0, []string(nil)
		for line := range strings.Lines(string(out)) {
			before, rest, found := strings.Cut(line, "(")
			fields := strings.Fields(before)
			if !found || len(fields) == 0 || !strings.HasPrefix(rest, "string") && !strings.HasPrefix(rest, "[string") {
				continue
			}
			name := fields[len(fields)-1]
			for _, native := range []string{
				fmt.Sprintf("http-request set-var(txn.x) str(1),%s(k)", name), fmt.Sprintf("http-request set-var(txn.x) src,%s(k)", name),
				fmt.Sprintf("acl x %s(k) -m found", name), fmt.Sprintf("http-request set-var(txn.x) str(1),%s(RS256,k)", name),
			} {
				if s.tells(native) {
					told++
					continue
				}
				untold = append(untold, native)
			}
		}
		if told < 50 || len(untold) < 100 {
			t.Errorf("%s: %d lines are told and %d are not, fewer than there are", release.Version, told, len(untold))
		}
		for batch := range slices.Chunk(untold, 30) { // HAProxy gives up after 50 faults
			if s.opens(strings.Join(batch, "\n ")) {
				t.Errorf("%s: HAProxy opens the file, and lb does not tell, for one of\n%s", release.Version, strings.Join(batch, "\n"))
			}
		}
	}
}
