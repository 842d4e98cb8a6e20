package acme

import (
	"context"
	"crypto"
	cryptox509 "crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"thalassa/activity"
	"thalassa/certs"
	"thalassa/lb"
)

// An attempt orders one certificate, or continues its order.
type attempt struct {
	*want
	i      *Issuer
	ctx    context.Context //nolint:containedctx // of this attempt alone
	cancel context.CancelCauseFunc
	now    atomic.Pointer[string] // the step
	orders atomic.Bool            // it makes an order, and does not only look
}

func (i *Issuer) newAttempt(ctx context.Context, w *want) *attempt {
	a := &attempt{want: w, i: i}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.step("begin")
	return a
}

// step notes what is done next.
func (a *attempt) step(name string) {
	a.now.Store(&name)
	a.i.step(name)
}

func (i *Issuer) step(name string) { i.cfg.BeforeStep(name) }

func (a *attempt) current() string { return *a.now.Load() }

// A waitError says what an attempt waits for. It is no failure.
type waitError struct {
	text string
	// elsewhere: another node has the lock of the order.
	elsewhere bool
}

func (e *waitError) Error() string { return e.text }

// run makes the attempt and notes what became of it.
func (a *attempt) run() {
	defer a.cancel(nil)
	ctx, cancel := context.WithTimeout(a.ctx, attemptTime)
	defer cancel()
	release, err := a.join(ctx)
	if err == nil {
		err = a.work(ctx)
	}
	if cause := context.Cause(a.ctx); cause != nil && err != nil {
		err = cause // the end of the program, or nobody wants it, or the lock is lost
	}
	a.i.note(a, err) // before the next may begin, which looks at what is noted
	release()
	waiting, waits := errors.AsType[*waitError](err)
	a.i.mu.Lock()
	delete(a.i.running, a.identity)
	if !waits || !waiting.elsewhere {
		delete(a.i.asked, a.identity)
	}
	a.i.mu.Unlock()
}

// join takes the lock that the order has on all nodes, and what they know of it. release is
// never nil.
func (a *attempt) join(ctx context.Context) (release func(), err error) {
	if a.i.pool == nil {
		return func() {}, nil
	}
	release, err = a.i.pool.take(ctx, a.identity, a.cancel)
	if err != nil {
		return release, err
	}
	return release, a.i.pool.fetch(ctx, a.identity)
}

// work makes the order if it is due, or asks when it will be.
func (a *attempt) work(ctx context.Context) error {
	r := a.i.record(a.identity)
	now := a.i.cfg.Now()
	a.i.mu.Lock()
	since, isAsked := a.i.asked[a.identity]
	a.i.mu.Unlock()
	if isAsked && r.Order == nil && r.LastAttempt.After(since) {
		isAsked = false // another node has just tried
	}
	due := r.due()
	if isAsked {
		due = r.Held
	}
	if due.After(now) {
		return a.inquire(ctx)
	}
	a.orders.Store(true)
	if err := a.hold(ctx); err != nil {
		return err
	}
	err := a.obtain(ctx)
	if isProblem(err, "accountdoesnotexist") { // the server has lost its accounts
		if err = a.i.forgetAccount(ctx, a.ACME); err == nil {
			err = a.obtain(ctx)
		}
	}
	return err
}

// hold makes sure that this node still has the lock of the order, before a step that no other
// node may make as well.
func (a *attempt) hold(ctx context.Context) error {
	if a.i.pool == nil {
		return nil
	}
	return a.i.pool.announce(ctx, a.identity)
}

// note stores what became of an attempt, and tells of it.
func (i *Issuer) note(a *attempt, err error) {
	now := i.cfg.Now()
	ctx := context.WithoutCancel(a.ctx)
	if err != nil && a.ctx.Err() != nil {
		return // it goes on with the next run, or is over
	}
	waiting, waits := errors.AsType[*waitError](err)
	i.mu.Lock()
	delete(i.waits, a.identity)
	if waits {
		pause := waitPause
		if waiting.elsewhere {
			pause = elsewherePause
		}
		i.waits[a.identity] = wait{errorText(waiting), waiting.elsewhere, now.Add(pause)}
	} else if err != nil {
		i.failed[a.identity]++
	}
	i.mu.Unlock()
	if err == nil || waits {
		return // keep has told of a success
	}
	change := func(r *record) {
		r.Domains, r.Directory, r.KeyType, r.LastAttempt, r.LastError = a.Domains, a.Directory, a.KeyType, now, errorText(err)
		r.Failures++
		pause := pauseAfter(r.Failures, i.cfg.Chance)
		if held := heldFor(err, now); held > 0 {
			r.Held = now.Add(held)
			pause = max(pause, held+i.cfg.Chance(held/10+1))
		}
		r.NextAttempt = now.Add(pause)
		if isDead(err) || r.Order != nil && !r.Order.Expires.IsZero() && now.After(r.Order.Expires) {
			r.Order = nil
		}
	}
	if saveErr := i.update(ctx, a.identity, change); saveErr != nil {
		i.remember(a.identity, func(r *record) {
			order := r.Order
			change(r)
			r.Order = order
		})
		i.cfg.Logger.ErrorContext(ctx, "the state of an order is not stored", "error", saveErr)
	}
	next := i.record(a.identity).NextAttempt
	i.cfg.Logger.WarnContext(ctx, "certificate not issued", "domains", a.Domains, "server", a.Directory, "error", errorText(err), "next", next)
	i.tell(a.want, activity.Event{
		Verb: activity.CertificateRenewalFailed, Error: errorText(err), Reasons: []string{"the next attempt is at " + next.UTC().Format(time.RFC3339)},
	})
}

// tell notes an event for each certificate.
func (i *Issuer) tell(w *want, e activity.Event) {
	if i.cfg.Journal == nil {
		return
	}
	for _, name := range w.names {
		e.Object = activity.Object{ID: lb.Certificate{Key: name}.ID(), Type: "certificate", Key: string(name)}
		i.cfg.Journal.Note(e)
	}
	if w.isOwn {
		e.Object = activity.Object{ID: "agent", Type: "agent"}
		e.Cause = "the certificate of the agent's own address"
		i.cfg.Journal.Note(e)
	}
}

// obtain makes the order, or continues it, until the issued certificate is stored.
func (a *attempt) obtain(ctx context.Context) error {
	if err := a.i.Check(a.ACME); err != nil {
		return &waitError{text: err.Error()}
	}
	if a.Challenge == lb.HTTP01 {
		if _, err := a.i.cfg.Web.Reach(ctx); err != nil {
			return &waitError{text: err.Error()}
		}
	}
	client, closeIdle, err := a.i.connect(ctx, a.ACME)
	if err != nil {
		return err
	}
	defer closeIdle()
	o, err := a.order(ctx, client)
	if err != nil {
		return err
	}
	found, err := a.look(ctx, client, o)
	if err != nil {
		return err
	}
	if found.Status == acme.StatusPending {
		for _, url := range o.Authorizations {
			if err := a.authorize(ctx, client, url); err != nil {
				return err
			}
		}
	}
	return a.finish(ctx, client, o)
}

// order is the order of the record, or a new one.
func (a *attempt) order(ctx context.Context, client *acme.Client) (*order, error) {
	o := a.i.record(a.identity).Order
	if o == nil {
		a.step("key")
		digest, err := a.i.keys.newKey(a.KeyType)
		if err != nil {
			return nil, err
		}
		o = &order{Key: digest, Begun: a.i.cfg.Now()}
		if err := a.save(ctx, o); err != nil {
			return nil, err
		}
	}
	if o.URL != "" {
		return o, nil
	}
	a.step("order")
	if err := a.hold(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	made, err := client.AuthorizeOrder(ctx, acme.DomainIDs(a.Domains...))
	if err != nil {
		return nil, fmt.Errorf("making an order: %w", err)
	}
	switch {
	case made.URI == "" || made.FinalizeURL == "":
		return nil, &answerError{"has named no address of the order"}
	case len(made.AuthzURLs) > lb.MaxDomains:
		return nil, &answerError{"asks for more authorizations than there are domains"}
	}
	next := *o
	next.URL, next.Finalize, next.Authorizations, next.Expires = made.URI, made.FinalizeURL, made.AuthzURLs, made.Expires
	if err := a.save(ctx, &next); err != nil {
		a.i.remember(a.identity, func(r *record) { r.Order = &next })
		return nil, err
	}
	return &next, nil
}

// save stores the order before its next step.
func (a *attempt) save(ctx context.Context, o *order) error {
	return a.i.update(ctx, a.identity, func(r *record) {
		r.Domains, r.Directory, r.KeyType, r.Order = a.Domains, a.Directory, a.KeyType, o
	})
}

// look asks for the state of the order.
func (a *attempt) look(ctx context.Context, client *acme.Client, o *order) (*acme.Order, error) {
	a.step("look")
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	found, err := client.GetOrder(ctx, o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the order: %w", err)
	}
	if found.Status == acme.StatusInvalid {
		return nil, &acme.OrderError{OrderURL: o.URL, Status: found.Status, Problem: found.Error}
	}
	return found, nil
}

// authorize shows the server that one domain is ours.
func (a *attempt) authorize(ctx context.Context, client *acme.Client, url string) error {
	a.step("authorization")
	short, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	z, err := client.GetAuthorization(short, url)
	if err != nil {
		return fmt.Errorf("reading an authorization: %w", err)
	}
	domain := strings.ToLower(z.Identifier.Value)
	if z.Identifier.Type != "dns" || !slices.Contains(a.Domains, domain) && !slices.Contains(a.Domains, "*."+domain) {
		return &answerError{"asks for an authorization of a domain that is not ordered"}
	}
	switch z.Status {
	case acme.StatusValid:
		return nil
	case acme.StatusPending:
	default:
		return &answerError{"has an authorization of " + domain + " that is " + z.Status}
	}
	n := slices.IndexFunc(z.Challenges, func(c *acme.Challenge) bool { return c.Type == a.Challenge })
	if n < 0 {
		return &answerError{"offers no challenge " + a.Challenge + " for " + domain}
	}
	challenge := z.Challenges[n]
	withdraw, err := a.answer(ctx, client, domain, challenge)
	if withdraw != nil {
		defer withdraw()
	}
	if err != nil {
		return err
	}
	a.step("accept")
	ctx, cancel = context.WithTimeout(ctx, provedTime)
	defer cancel()
	if challenge.Status == acme.StatusPending {
		if _, err := client.Accept(ctx, challenge); err != nil {
			return fmt.Errorf("asking for the validation of %s: %w", domain, err)
		}
	}
	a.step("validation")
	if _, err := client.WaitAuthorization(ctx, url); err != nil {
		return fmt.Errorf("validation of %s: %w", domain, err)
	}
	return nil
}

// answer makes the answer to a challenge available, and returns what takes it away.
func (a *attempt) answer(ctx context.Context, client *acme.Client, domain string, challenge *acme.Challenge) (withdraw func(), err error) {
	if !isToken(challenge.Token) {
		return nil, &answerError{"has sent a token that is none"}
	}
	if a.Challenge == lb.DNS01 {
		value, err := client.DNS01ChallengeRecord(challenge.Token)
		if err != nil {
			return nil, err
		}
		a.step("dns record")
		return a.i.publish(ctx, domain, value)
	}
	text, err := client.HTTP01ChallengeResponse(challenge.Token)
	if err != nil {
		return nil, err
	}
	a.step("http answer")
	return a.i.serve(ctx, a.identity, domain, challenge.Token, text)
}

// isToken reports whether a token has only the characters that RFC 8555 gives it: it
// becomes a part of a command for HAProxy.
func isToken(s string) bool {
	const most = 256
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// finish asks for the certificate of an order that is ready, or has been asked for it
// before, and stores it.
func (a *attempt) finish(ctx context.Context, client *acme.Client, o *order) error {
	key, err := a.i.keys.key(o.Key)
	if err != nil {
		return fmt.Errorf("reading the key of the order: %w", err)
	}
	long, cancel := context.WithTimeout(ctx, provedTime)
	defer cancel()
	a.step("ready")
	found, err := client.WaitOrder(long, o.URL)
	if err != nil {
		return fmt.Errorf("waiting for the order: %w", err)
	}
	var chain [][]byte
	if found.Status == acme.StatusReady {
		csr, err := request(key, a.Domains)
		if err != nil {
			return fmt.Errorf("making the request: %w", err)
		}
		a.step("finalize")
		if err := a.hold(ctx); err != nil {
			return err
		}
		chain, _, err = client.CreateOrderCert(long, o.Finalize, csr, true)
		if err != nil { // the server may not have named the order in its answer
			if found, err = a.waitValid(long, client, o, err); err != nil {
				return err
			}
		}
	}
	if chain == nil {
		a.step("download")
		if chain, err = client.FetchCert(long, found.CertURL, true); err != nil {
			return fmt.Errorf("downloading the certificate: %w", err)
		}
	}
	return a.keep(ctx, chain, key)
}

// waitValid waits until an order has its certificate. former is why that is not known yet.
func (a *attempt) waitValid(ctx context.Context, client *acme.Client, o *order, former error) (*acme.Order, error) {
	found, err := client.WaitOrder(ctx, o.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking for the certificate: %w", errors.Join(former, err))
	case found.Status != acme.StatusValid:
		return nil, fmt.Errorf("asking for the certificate: %w", former)
	}
	return found, nil
}

// keep checks what has been issued and stores it.
func (a *attempt) keep(ctx context.Context, chain [][]byte, key crypto.Signer) error {
	a.step("store")
	now := a.i.cfg.Now()
	b, err := a.accept(chain, key, now)
	if err != nil {
		return err
	}
	if err := a.i.cfg.Keys.Put(b.Files); err != nil {
		return err
	}
	files := storedFiles(b.Certificate.Files)
	before := a.i.record(a.identity)
	a.step("record")
	err = a.i.update(ctx, a.identity, func(r *record) {
		*r = record{
			Domains: a.Domains, Directory: a.Directory, KeyType: a.KeyType, StandIn: r.StandIn,
			Files: files, IssuedAt: now, RenewAt: renewAt(files[0].Chain[0], now, a.i.cfg.Chance), LastAttempt: now, Sequence: r.Sequence,
		}
	})
	if err != nil {
		return err
	}
	a.i.issued(ctx, a.want, before, "")
	return nil
}

// accept checks what a server has issued: it must be what was ordered.
func (a *attempt) accept(chain [][]byte, key crypto.Signer, now time.Time) (b certs.Bundle, err error) {
	if len(chain) == 0 {
		return b, &answerError{"has sent no certificate"}
	}
	leaf, err := cryptox509.ParseCertificate(chain[0])
	if err != nil {
		return b, &answerError{"has sent a certificate that cannot be read"}
	}
	for _, domain := range a.Domains {
		if err := leaf.VerifyHostname(strings.Replace(domain, "*.", "any.", 1)); err != nil {
			return b, &answerError{"has issued a certificate that is not for " + domain}
		}
	}
	b, err = bundle(chain, key, now)
	if err != nil {
		return b, &answerError{"has issued a certificate that cannot be used: " + err.Error()}
	}
	return b, nil
}

// issued announces a new certificate, and how it came, for people.
func (i *Issuer) issued(ctx context.Context, w *want, before *record, how string) {
	r := i.record(w.identity)
	leaf, ok := r.leaf()
	if !ok {
		return
	}
	e := activity.Event{
		Verb: activity.CertificateRenewed, Diff: []string{"serial " + serialOf(before) + " → " + leaf.Serial},
		Reasons: []string{"expires on " + leaf.NotAfter.UTC().Format(time.RFC3339), "is renewed at " + r.RenewAt.UTC().Format(time.RFC3339)},
	}
	if how != "" {
		e.Reasons = append([]string{how}, e.Reasons...)
	}
	i.cfg.Logger.InfoContext(ctx, "certificate issued", "domains", w.Domains, "serial", leaf.Serial, "expires", leaf.NotAfter, "renewal", r.RenewAt)
	i.changed.Broadcast()
	i.tell(w, e)
}

// serialOf is the serial number of the certificate before; "none": there was none.
func serialOf(r *record) string {
	if leaf, ok := r.leaf(); ok {
		return leaf.Serial
	}
	return "none"
}

// forgetAccount makes the next attempt register the account again and make new orders.
func (i *Issuer) forgetAccount(ctx context.Context, a lb.ACME) error {
	id := accountID(a)
	i.mu.Lock()
	known := i.accounts[id]
	i.mu.Unlock()
	if known != nil && known.URL != "" {
		next := *known
		next.URL = ""
		if _, err := i.saveAccount(ctx, id, next); err != nil {
			return err
		}
	}
	return i.update(ctx, a.Identity(), func(r *record) { r.Order = nil })
}
