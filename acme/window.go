package acme

import (
	"context"
	cryptox509 "crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A window is when a server wants a certificate to be renewed (RFC 9773, section 4.2).
type window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Explanation is the address of a page for people; empty: there is none.
	Explanation string `json:"explanation,omitempty"`
}

// Times between two questions for a window.
const (
	lookEvery    = 6 * time.Hour // if the server does not say
	leastLook    = time.Minute
	longestLook  = 24 * time.Hour
	lookAgain    = time.Hour // after a failure
	withoutOffer = 24 * time.Hour
	// leastAge is how old a certificate is at least that is renewed because its server wants
	// that: orders never follow each other without a pause.
	leastAge = time.Hour
)

// maxWindow bounds the text of a window and of a directory, in bytes.
const maxWindow = 64 << 10

// renewIn is the time for the renewal that a window gives: one in it at random, and no
// later than when nine tenths of the life are over, whatever the server says.
func (w window) renewIn(leaf x509, issued time.Time, chance func(time.Duration) time.Duration) time.Time {
	at := w.Start.Add(chance(max(w.End.Sub(w.Start), 1)))
	if latest := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 10); at.After(latest) {
		at = latest
	}
	if least := issued.Add(leastAge); at.Before(least) {
		return least
	}
	return at
}

// inquire asks the server when the certificate is to be renewed, if that is due.
func (a *attempt) inquire(ctx context.Context) error {
	r := a.i.ledger.record(a.identity)
	leaf, isIssued := r.leaf()
	now := a.i.cfg.Now()
	if !isIssued || r.Order != nil || r.LookAt.After(now) {
		return nil
	}
	a.step("renewal information")
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	found, again, err := a.suggestion(ctx, r.Files[0].Digest)
	if err != nil {
		if a.ctx.Err() != nil {
			return err
		}
		a.i.cfg.Logger.WarnContext(ctx, "the server does not say when a certificate is to be renewed", "domains", a.Domains, "error", errorText(err))
		again = lookAgain
	}
	again += a.i.cfg.Chance(again/10 + 1)
	isNew := found != nil && (r.Window == nil || !r.Window.Start.Equal(found.Start) || !r.Window.End.Equal(found.End))
	err = a.i.ledger.update(ctx, a.identity, func(r *record) {
		r.LookAt = now.Add(again)
		if isNew {
			r.Window, r.RenewAt = found, found.renewIn(leaf, r.IssuedAt, a.i.cfg.Chance)
		}
	})
	if err == nil && isNew {
		a.i.cfg.Logger.InfoContext(ctx, "the server says when a certificate is to be renewed", "domains", a.Domains,
			"from", found.Start, "to", found.End, "explanation", found.Explanation, "renewal", a.i.ledger.record(a.identity).RenewAt)
	}
	return err
}

// suggestion asks a server when a certificate is to be renewed, and when it is to be asked
// again; nil: it does not offer that.
func (a *attempt) suggestion(ctx context.Context, digest string) (*window, time.Duration, error) {
	id, err := certificateID(a.i.cfg.Keys, digest)
	if err != nil {
		return nil, 0, err
	}
	client, closeIdle, err := a.i.cfg.newClient(a.ACME)
	if err != nil {
		return nil, 0, err
	}
	defer closeIdle()
	var directory struct {
		RenewalInfo string `json:"renewalInfo"`
	}
	if _, err := getJSON(ctx, client.HTTPClient, a.Directory, &directory); err != nil {
		return nil, 0, err
	}
	if directory.RenewalInfo == "" {
		return nil, withoutOffer, nil
	}
	var answer struct {
		SuggestedWindow window `json:"suggestedWindow"`
		ExplanationURL  string `json:"explanationURL"`
	}
	header, err := getJSON(ctx, client.HTTPClient, strings.TrimSuffix(directory.RenewalInfo, "/")+"/"+id, &answer)
	if err != nil {
		return nil, 0, err
	}
	w := answer.SuggestedWindow
	if w.Start.IsZero() || !w.End.After(w.Start) {
		return nil, 0, &answerError{"has sent a window for the renewal that does not end after its begin"}
	}
	w.Explanation = pageURL(answer.ExplanationURL)
	again := lookEvery
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil {
		again = time.Duration(min(max(seconds, 0), int(longestLook/time.Second))) * time.Second
	} else if date, err := http.ParseTime(header.Get("Retry-After")); err == nil {
		again = date.Sub(a.i.cfg.Now())
	}
	return &w, min(max(again, leastLook), longestLook), nil
}

// pageURL is the address of a page for people; empty for what is none.
func pageURL(text string) string {
	const most = 500
	u, err := url.Parse(text)
	if err != nil || len(text) > most || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// getJSON reads a document of a server.
func getJSON(ctx context.Context, client *http.Client, address string, into any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, &answerError{"has named an address that is none"}
	}
	req.Header.Set("User-Agent", "thalassa")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &answerError{"answers with status " + strconv.Itoa(resp.StatusCode)}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxWindow)).Decode(into); err != nil {
		return nil, &answerError{"has sent what is not the JSON of RFC 9773"}
	}
	return resp.Header, nil
}

// certificateID names a certificate in requests for its window: RFC 9773, section 4.1.
func certificateID(keys Keys, digest string) (string, error) {
	text, err := keys.Text(digest)
	if err != nil {
		return "", err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		leaf, err := cryptox509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Errorf("reading the certificate: %w", err)
		}
		if len(leaf.AuthorityKeyId) == 0 {
			return "", errors.New("the certificate does not name the key of its issuer")
		}
		serial := leaf.SerialNumber.Bytes()
		if len(serial) == 0 || serial[0]&0x80 != 0 {
			serial = append([]byte{0}, serial...) // as DER has it
		}
		encode := base64.RawURLEncoding.EncodeToString
		return encode(leaf.AuthorityKeyId) + "." + encode(serial), nil
	}
	return "", errors.New("there is no certificate")
}
