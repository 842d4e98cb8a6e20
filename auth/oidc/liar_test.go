package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"thalassa/auth/oidc"
)

// A liar is a provider that answers with whatever a test puts in. It is a server of its own;
// the client is the real one.
type liar struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by path, instead of the honest ones
	claims  func(map[string]any)        // changes those of the ID token
	token   func() string               // instead of the signed one
	signer  *rsa.PrivateKey             // instead of key
	keys    *rsa.PrivateKey             // that are published; nil: key
	nonce   string
}

func newLiar(t *testing.T) (*liar, *oidc.Client) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{key: key, signer: key, keys: key, answers: map[string]http.HandlerFunc{}}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	c, err := oidc.New(oidc.Config{Issuer: l.URL, ClientID: "thalassa", GroupsClaim: "groups", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answer := l.answers[r.URL.Path]; answer != nil {
		l.mu.Unlock()
		defer l.mu.Lock()
		answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		l.describe(w, l.URL)
	case "/keys":
		encode(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: l.keys.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	case "/token":
		encode(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": l.idToken()})
	default:
		http.NotFound(w, r)
	}
}

func (l *liar) describe(w io.Writer, issuer string) {
	encode(w, map[string]any{
		"issuer": issuer, "authorization_endpoint": l.URL + "/auth", "token_endpoint": l.URL + "/token", "jwks_uri": l.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256", "none"}, "scopes_supported": []string{"openid"},
	})
}

func encode(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) }

// idToken is an ID token for the login under way; mu is held.
func (l *liar) idToken() string {
	if l.token != nil {
		return l.token()
	}
	now := time.Now()
	claims := map[string]any{
		"iss": l.URL, "sub": "ann", "aud": "thalassa", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nonce": l.nonce,
		"groups": []string{"ops"}, "preferred_username": "ann",
	}
	if l.claims != nil {
		l.claims(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: l.signer, KeyID: "k"}}, nil)
	if err != nil {
		return err.Error()
	}
	data, _ := json.Marshal(claims)
	signed, err := signer.Sign(data)
	if err != nil {
		return err.Error()
	}
	text, _ := signed.CompactSerialize()
	return text
}

// finish logs in, as far as it goes.
func (l *liar) finish(t *testing.T, c *oidc.Client) (oidc.User, error) {
	t.Helper()
	a, _, err := c.Begin(t.Context(), redirect, "")
	if err != nil {
		return oidc.User{}, err
	}
	l.mu.Lock()
	l.nonce = a.Nonce
	l.mu.Unlock()
	return c.Finish(t.Context(), a, oidc.Answer{Code: "c", State: a.State})
}

// unsigned is a token with the algorithm none.
func unsigned(claims map[string]any) string {
	data, _ := json.Marshal(claims)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(data) + "."
}

func TestLiesInTheIDToken(t *testing.T) {
	t.Parallel()
	l, c := newLiar(t)
	if u, err := l.finish(t, c); err != nil || u.Name != "ann" || len(u.Groups) != 1 {
		t.Fatalf("the honest login: %+v, %v", u, err)
	}
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	for says, claims := range map[string]func(map[string]any){
		"for another login (nonce)":                  set("nonce", "other"),
		"expected audience":                          set("aud", "other"),
		"issued to another client (azp)":             set("aud", []string{"thalassa", "other"}),
		"another client (azp)":                       set("azp", "other"),
		"issued by a different provider":             set("iss", "https://other.example"),
		"token is expired":                           set("exp", time.Now().Add(-time.Minute).Unix()),
		"before the nbf":                             set("nbf", time.Now().Add(time.Hour).Unix()),
		"names nobody":                               set("sub", ""),
		"more than 255 bytes":                        set("sub", strings.Repeat("a", 256)),
		"not a list of groups":                       set("groups", 7),
		"an element that is not a text":              set("groups", []any{"ops", 7}),
		"does not fit the access token":              set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"neither preferred_username nor sub is a na": func(c map[string]any) { maps.Copy(c, map[string]any{"sub": "a b", "preferred_username": "ops\nx"}) },
	} {
		l.mu.Lock()
		l.claims = claims
		l.mu.Unlock()
		if _, err := l.finish(t, c); !errors.As(err, new(*oidc.RefusedError)) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want it to say %q", err, says)
		}
	}
	l.mu.Lock()
	l.claims = nil
	l.mu.Unlock()
	for _, token := range []string{"", "nonsense", "a.b.c", unsigned(map[string]any{"iss": l.URL, "aud": "thalassa", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})} {
		l.mu.Lock()
		l.token = func() string { return token }
		l.mu.Unlock()
		if _, err := l.finish(t, c); err == nil {
			t.Errorf("the ID token %q is taken", token)
		}
	}
}

// Other keys are read when a token is signed with them; keys that nobody has published
// count for nothing.
func TestChangedKeys(t *testing.T) {
	t.Parallel()
	l, c := newLiar(t)
	if _, err := l.finish(t, c); err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.signer = other
	l.mu.Unlock()
	if _, err := l.finish(t, c); !errors.As(err, new(*oidc.RefusedError)) {
		t.Errorf("a foreign key: %v", err)
	}
	l.mu.Lock()
	l.keys = other
	l.mu.Unlock()
	if _, err := l.finish(t, c); err != nil {
		t.Errorf("a new key: %v", err)
	}
}

// What a provider answers instead of what it should ends with an error that says so, soon,
// and takes bounded memory.
func TestAnswersThatAreWrong(t *testing.T) {
	t.Parallel()
	huge := func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := fmt.Fprint(w, strings.Repeat(" ", 1<<16)); err != nil {
				return
			}
		}
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:9/", http.StatusTemporaryRedirect)
	}
	broken := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	text := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/keys"} {
		for name, answer := range map[string]http.HandlerFunc{"huge": huge, "redirect": elsewhere, "500": broken, "text": text} {
			l, c := newLiar(t)
			l.answers[path] = answer
			_, err := l.finish(t, c)
			if !errors.As(err, new(*oidc.AwayError)) || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s of %s: %v", name, path, err)
			}
		}
	}
	l, c := newLiar(t)
	l.answers["/.well-known/openid-configuration"] = func(w http.ResponseWriter, _ *http.Request) { l.describe(w, "https://other.example") }
	if _, err := l.finish(t, c); !errors.As(err, new(*oidc.AwayError)) || !strings.Contains(err.Error(), "did not match") {
		t.Errorf("another issuer: %v", err)
	}
}

// While the provider is away its former description stays, and a login ends with an error.
func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	l, c := newLiar(t)
	if _, err := l.finish(t, c); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, _, err := c.Begin(t.Context(), redirect, ""); err != nil {
		t.Errorf("the login does not begin: %v", err)
	}
	if _, err := l.finish(t, c); !errors.As(err, new(*oidc.AwayError)) {
		t.Errorf("error %v", err)
	}
}

// What is kept of a session is bounded, whatever a provider sends.
func TestLargeAccessTokens(t *testing.T) {
	t.Parallel()
	l, c := newLiar(t)
	for size, isTaken := range map[int]bool{8 << 10: true, 32<<10 + 1: false, 512 << 10: false} {
		l.answers["/token"] = func(w http.ResponseWriter, _ *http.Request) {
			l.mu.Lock()
			defer l.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			encode(w, map[string]any{"access_token": strings.Repeat("a", size), "token_type": "Bearer", "expires_in": 600, "id_token": l.idToken()})
		}
		if _, err := l.finish(t, c); isTaken != (err == nil) || err != nil && !errors.As(err, new(*oidc.RefusedError)) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A description that cannot be read again does not hold up each login: the former one counts for a
// while.
func TestTheDescriptionIsNotReadAgainAndAgain(t *testing.T) {
	t.Parallel()
	l, _ := newLiar(t)
	ahead := time.Duration(0)
	c, err := oidc.New(oidc.Config{Issuer: l.URL, ClientID: "thalassa", GroupsClaim: "groups", Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	begin := func(want int32) {
		t.Helper()
		if _, _, err := c.Begin(t.Context(), redirect, ""); err != nil || asked.Load() != want {
			t.Errorf("asked %d times, want %d, %v", asked.Load(), want, err)
		}
	}
	begin(0)
	l.mu.Lock()
	l.answers["/.well-known/openid-configuration"] = func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}
	l.mu.Unlock()
	ahead = 2 * time.Hour
	begin(1)
	begin(1)
	ahead += 2 * time.Minute
	begin(2)
}
