package acme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"thalassa/lb"
)

// An attempt orders one certificate, or continues its order.
type attempt struct {
	*want
	i      *Issuer
	ctx    context.Context //nolint:containedctx // of this attempt alone
	cancel context.CancelCauseFunc
	now    atomic.Pointer[string] // the step
	// orders: it makes an order, and does not only look.
	orders atomic.Bool
	// isClosed: its result is known. Whoever asks for a renewal before gets that result, and
	// whoever asks later gets another attempt.
	isClosed atomic.Bool
	// answers is since when the renewal was asked for that it makes; zero: nobody has asked.
	answers time.Time
	// had is when the certificate was issued that this node had at the beginning.
	had time.Time
}

func newAttempt(ctx context.Context, i *Issuer, w *want) *attempt {
	a := &attempt{want: w, i: i}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.step("begin")
	return a
}

// step notes what is done next.
func (a *attempt) step(name string) {
	a.now.Store(&name)
	a.i.cfg.BeforeStep(name)
}

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
	a.had = a.i.ledger.record(a.identity).IssuedAt
	a.answers, _ = a.i.queue.askedSince(a.identity)
	release, err := a.join(ctx)
	if err == nil {
		err = a.work(ctx)
	}
	if cause := context.Cause(a.ctx); cause != nil && err != nil {
		err = cause // the end of the program, or nobody wants it, or the lock is lost
	}
	a.note(err) // before the next may begin, which looks at what is noted
	release()
	waiting, waits := errors.AsType[*waitError](err)
	if !waits || !waiting.elsewhere {
		a.answered()
	}
	a.i.queue.end(a.identity)
}

// answered notes that the renewal was made, or tried, that was asked for. One that somebody
// has asked for since stays.
func (a *attempt) answered() {
	a.isClosed.Store(true)
	a.i.queue.answered(a.identity, a.answers)
}

// join takes the lock that the order has on all nodes, and what they know of it. release is
// never nil.
func (a *attempt) join(ctx context.Context) (release func(), err error) {
	if a.i.pool == nil {
		return func() {}, nil
	}
	release, err = a.i.pool.session.take(ctx, a.identity, a.cancel)
	if err != nil {
		return release, err
	}
	return release, a.i.ledger.fetch(ctx, a.identity)
}

// work makes the order if it is due, or asks when it will be.
func (a *attempt) work(ctx context.Context) error {
	r := a.i.ledger.record(a.identity)
	now := a.i.cfg.Now()
	since, isAsked := a.i.queue.askedSince(a.identity)
	a.answers = since
	if isAsked && r.Order == nil && (r.LastAttempt.After(since) || !r.IssuedAt.Equal(a.had)) {
		isAsked = false // another node has just tried, or this one has just learned of one
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
		if err = a.forgetAccount(ctx); err == nil {
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
	return a.i.pool.session.announce(ctx, a.identity)
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
	client, closeIdle, err := a.connect(ctx)
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
	o := a.i.ledger.record(a.identity).Order
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
		a.i.ledger.remember(a.identity, func(r *record) { r.Order = &next })
		return nil, err
	}
	return &next, nil
}

// save stores the order before its next step.
func (a *attempt) save(ctx context.Context, o *order) error {
	return a.i.ledger.update(ctx, a.identity, func(r *record) {
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
		return a.i.challenges.publish(ctx, domain, value)
	}
	text, err := client.HTTP01ChallengeResponse(challenge.Token)
	if err != nil {
		return nil, err
	}
	a.step("http answer")
	return a.i.challenges.serve(ctx, a.identity, domain, challenge.Token, text)
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
