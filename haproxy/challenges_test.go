package haproxy_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
)

// answering is a configuration that answers challenges, and nothing else.
func (fx *fixture) answering(word string) []byte {
	path := haproxy.ChallengeMap(fx.cfg.ConfigPath)
	return testkit.HAProxyConfig{
		Description: "thalassa " + word, StatsSocket: fx.cfg.StatsSocket, Address: fx.address(),
		Frontend: []string{
			`http-request return status 200 content-type text/plain lf-string "%[path,field(4,/),map_str(` + path + `)]" ` +
				`if { path_beg /.well-known/acme-challenge/ } { path,field(4,/),map_str(` + path + `) -m found }`,
			"http-request return status 404",
		},
	}.Bytes()
}

// answer is what HAProxy says to a token; empty: nothing.
func (fx *fixture) answer(name string) (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + fx.address() + "/.well-known/acme-challenge/" + name)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if res.StatusCode == http.StatusNotFound {
		return "", err
	}
	return string(text), err
}

// answers checks what HAProxy says to tokens.
func (fx *fixture) answers(when string, want map[string]string) {
	fx.t.Helper()
	for name, text := range want {
		testkit.Eventually(fx.t, patience, func() error { // an old worker may take one more connection
			if got, err := fx.answer(name); err != nil || got != text {
				return fmt.Errorf("%s: %s is answered with %q, %w, expected %q", when, name, got, err, text)
			}
			return nil
		})
	}
}

// Answers are given at run time, after a reload, and by a HAProxy that is started again. They
// end when they are told to.
func TestChallengesAreAnswered(t *testing.T) {
	t.Parallel()
	each(t, func(fx *fixture) {
		certificates := fx.Certificates()
		// Before there is a HAProxy, or a rule.
		tokens := map[string]string{"first": "first.text"}
		if err := certificates.AnswerChallenges(t.Context(), tokens); err != nil {
			t.Fatal(err)
		}
		fx.apply("without")
		if err := certificates.AnswerChallenges(t.Context(), tokens); err != nil {
			t.Fatal(err)
		}
		if _, err := fx.Apply(t.Context(), fx.answering("one"), "one"); err != nil {
			t.Fatal(err)
		}
		fx.answers("after a reload", tokens)
		reloads := fx.state().Reloads
		for n, next := range []map[string]string{
			{"first": "first.other", "second": "second.text"}, {"second": "second.text"}, {"second": "second.text", "third": "third.text"},
		} {
			if err := certificates.AnswerChallenges(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"first": "", "second": "", "third": ""}
			maps.Copy(want, next)
			fx.answers(strconv.Itoa(n), want)
			tokens = next
		}
		if got := fx.state().Reloads; got != reloads {
			t.Errorf("%d reloads, were %d", got, reloads)
		}
		if _, err := fx.Apply(t.Context(), fx.answering("two"), "two"); err != nil {
			t.Fatal(err)
		}
		fx.answers("after another reload", tokens)
		exits := fx.run(fx.Process)
		fx.kill(fx.state().MasterPID)
		fx.restarted(exits)
		fx.answers("started again", tokens)
		if err := certificates.AnswerChallenges(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		fx.answers("at the end", map[string]string{"second": "", "third": ""})
		if text := fx.file(haproxy.ChallengeMap(fx.cfg.ConfigPath)); text != "" {
			t.Errorf("the map still has %q", text)
		}
		fx.tidy()
	})
}

// What another program changes is put right, and what is no word never reaches HAProxy.
func TestChallengesThatAreNone(t *testing.T) {
	t.Parallel()
	fx := newFixture(t, testkit.HAProxy(t))
	if _, err := fx.Apply(t.Context(), fx.answering("one"), "one"); err != nil {
		t.Fatal(err)
	}
	path := haproxy.ChallengeMap(fx.cfg.ConfigPath)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the map: %v, %v", info, err)
	}
	good := map[string]string{"good": "good.text"}
	if err := fx.Certificates().AnswerChallenges(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	many := map[string]string{}
	for i := range 2001 {
		many["t"+strconv.Itoa(i)] = "text"
	}
	for name, bad := range map[string]map[string]string{
		"a command": {"a;add": "x"}, "a line": {"a": "x\nshow info"}, "empty": {"": "x"}, "no text": {"a": ""}, "a space": {"a": "x y"},
		"too long": {"a": strings.Repeat("x", 1001)}, "too many": many,
	} {
		if err := fx.Certificates().AnswerChallenges(t.Context(), bad); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	fx.answers("after those", good)
	if text := fx.file(path); text != "good good.text\n" {
		t.Errorf("the map has %q", text)
	}
	ctx := t.Context()
	begin := time.Now()
	if err := fx.Certificates().AnswerChallenges(ctx, good); err != nil { // nothing to do
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
