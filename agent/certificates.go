package agent

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/heartbeat"
	"thalassa/lb"
)

// certificateFiles puts the certificates that configurations use beside haproxy.cfg. Its
// methods may be called from any goroutine.
type certificateFiles struct {
	cfg *Config

	swept time.Time // the persister's

	mu  sync.Mutex
	has map[string]bool // digests that Keys has
}

// sweepCertificatesEvery is the time between two looks for files that nothing names any more.
const sweepCertificatesEvery = 5 * time.Minute

// sweep removes the files that neither what HAProxy runs nor haproxy.cfg on disk names. Only
// the persister calls it, once haproxy.cfg is written.
func (c *certificateFiles) sweep(ctx context.Context, now *effective) {
	if c.cfg.Certificates == nil || now == nil || time.Since(c.swept) < sweepCertificatesEvery {
		return
	}
	c.swept = time.Now()
	kept := map[string]bool{}
	for _, f := range now.config.TLSFiles() {
		kept[f.Name] = true
	}
	c.cfg.Certificates.SweepFiles(ctx, func(name string) bool { return kept[name] })
}

// put writes the files that a configuration names. HAProxy must not get the configuration
// before. Files that are there cost little.
func (c *certificateFiles) put(ctx context.Context, config lb.Config) error {
	if c.cfg.Certificates == nil || !usesCertificates(config) {
		return nil
	}
	return c.cfg.Certificates.PutFiles(ctx, c.of(config, nil))
}

// of are the files that a configuration names; texts on trial are not stored.
func (c *certificateFiles) of(config lb.Config, trial map[string][]byte) []haproxy.CertificateFile {
	files := config.TLSFiles()
	out := make([]haproxy.CertificateFile, len(files))
	for i, f := range files {
		out[i] = haproxy.CertificateFile{Name: f.Name, Text: func() ([]byte, error) {
			if text := trial[f.Digest]; f.Digest != "" && text != nil {
				return text, nil
			}
			return c.text(f)
		}}
	}
	return out
}

func (c *certificateFiles) text(f lb.TLSFile) ([]byte, error) {
	if f.Digest == "" {
		return f.Text, nil
	}
	text, err := c.cfg.Keys.Text(f.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		c.forget(f.Digest)
	}
	return text, err
}

// available is an intent without the certificates whose keys are not stored here, as after an
// import: the others are served.
func (c *certificateFiles) available(in lb.Intent) lb.Intent { return c.availableWith(in, nil) }

// availableWith is available where some texts are on trial.
func (c *certificateFiles) availableWith(in lb.Intent, trial map[string][]byte) lb.Intent {
	var left map[lb.Name]lb.Certificate
	for _, cert := range in.Certificates {
		if c.isThere(cert, trial) {
			continue
		}
		if left == nil {
			left = make(map[lb.Name]lb.Certificate, len(in.Certificates))
			maps.Copy(left, in.Certificates)
		}
		delete(left, cert.Key)
	}
	if left != nil {
		in.Certificates = left
	}
	return in
}

// isThere reports whether the keys of a certificate are stored or on trial.
func (c *certificateFiles) isThere(cert lb.Certificate, trial map[string][]byte) bool {
	if c.cfg.Keys == nil || c.cfg.Certificates == nil {
		return false
	}
	for _, digest := range cert.Digests() {
		if trial[digest] == nil && !c.isKnown(digest) {
			if !c.cfg.Keys.Has(digest) {
				return false
			}
			c.note(digest)
		}
	}
	return true
}

func (c *certificateFiles) isKnown(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has[digest]
}

func (c *certificateFiles) note(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const most = 100_000
	if c.has == nil || len(c.has) >= most {
		c.has = map[string]bool{}
	}
	c.has[digest] = true
}

func (c *certificateFiles) forget(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.has, digest)
}

// serving are the certificates that HAProxy has with a configuration.
func (c *certificateFiles) serving(config lb.Config) haproxy.Serving {
	s := haproxy.Serving{Lists: config.CertificateLists()}
	for _, cert := range config.Certificates {
		atStart := cert.Authority && config.TakesAtStart(cert.Key)
		for _, f := range cert.TLSFiles() {
			s.Files = append(s.Files, haproxy.ServedFile{
				CertificateFile: haproxy.CertificateFile{Name: f.Name, Text: func() ([]byte, error) { return c.text(f) }},
				Role:            f.Role, Kind: f.Kind, AtStart: atStart,
			})
		}
	}
	return s
}

// changedRoles are the roles of the files whose content differs in two configurations.
func changedRoles(before *lb.Config, after lb.Config) map[string]bool {
	out := map[string]bool{}
	if before == nil {
		return out
	}
	for _, cert := range after.Certificates {
		old, isThere := before.Certificate(cert.Key)
		if !isThere {
			continue
		}
		former := map[string]string{}
		for _, f := range old.TLSFiles() {
			former[f.Role] = f.Digest
		}
		for _, f := range cert.TLSFiles() {
			if digest, was := former[f.Role]; was && digest != f.Digest {
				out[f.Role] = true
			}
		}
	}
	return out
}

// maxHandshakes bounds the handshakes that are tried after a change.
const maxHandshakes = 8

// handshakes are those that show that certificates have changed: one for each certificate that
// is new or has changed in a frontend.
func handshakes(before *lb.Config, after lb.Config) []haproxy.Handshake {
	if before == nil {
		return nil
	}
	var out []haproxy.Handshake
	was := map[lb.Name]lb.Frontend{}
	for _, f := range before.Frontends {
		was[f.Key] = f
	}
	for _, f := range after.Frontends {
		if !after.SpeaksTLS(f) || len(f.TLS.Binds) == 0 {
			continue
		}
		former := map[lb.Name][]string{}
		if old, isThere := was[f.Key]; isThere {
			for _, cert := range before.Served(old) {
				former[cert.Key] = cert.Digests()
			}
		}
		served := after.Served(f)
		var expected []string
		for _, cert := range served {
			if len(out) >= maxHandshakes || slices.Equal(former[cert.Key], cert.Digests()) {
				continue
			}
			if expected == nil {
				expected = leafsOf(served)
			}
			out = append(out, haproxy.Handshake{Bind: f.TLS.Binds[0], AcceptProxy: f.AcceptProxy, ServerName: cert.ServerName(), Expected: expected})
		}
	}
	return out
}

// leafsOf are the digests of the first certificates of all chains.
func leafsOf(list []lb.Certificate) []string {
	var out []string
	for _, cert := range list {
		for _, f := range cert.Files {
			out = append(out, f.Chain[0].SHA256)
		}
	}
	return out
}

// A certificateUpdater changes the certificates of the running HAProxy without a reload. It
// belongs to the loop's goroutine.
type certificateUpdater struct {
	cfg      *Config
	files    *certificateFiles
	renderer *renderer
	beat     *heartbeat.Beat
}

// install puts the files of a target on disk. They are written before the running HAProxy changes,
// so that a HAProxy that is started or reloaded meanwhile serves the new certificates.
func (u *certificateUpdater) install(ctx context.Context, t target) error {
	if err := u.files.put(ctx, t.config); err != nil {
		return err
	}
	rendered, err := u.renderer.of(t.template, t.config)
	if err != nil {
		return err
	}
	return u.cfg.Runtime.Install(ctx, rendered.Bytes)
}

// serve loads the certificates of a configuration into the running HAProxy. done is what was
// changed. running is what HAProxy has; nil: that is not known, and everything is compared.
func (u *certificateUpdater) serve(ctx context.Context, running *lb.Config, wanted lb.Config) (done []string, err error) {
	defer u.beat.Step("a change of certificates at run time", 2*u.cfg.LongestChange)()
	s := u.files.serving(wanted)
	if s.Changed = changedRoles(running, wanted); running != nil {
		s.Compared = map[string]bool{}
	}
	if done, err = u.cfg.Certificates.Serve(ctx, s); err != nil {
		return done, err
	}
	return done, u.cfg.Certificates.TryHandshakes(ctx, handshakes(running, wanted))
}

// usesCertificates reports whether a configuration has certificates.
func usesCertificates(c lb.Config) bool {
	return len(c.Certificates) > 0 || len(c.CertificateLists()) > 0
}
