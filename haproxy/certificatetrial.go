package haproxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"thalassa/lb"
)

// trialPrefix begins the names of folders that Try lends.
const trialPrefix = ".trial-"

// PutFiles writes files to a folder that Try lends.
type PutFiles func(ctx context.Context, files []CertificateFile) error

// Try lends a new folder in the place of CertificateDir, for a check of a configuration whose
// certificates are not to be stored. The folder is removed before Try returns. If the agent is
// killed meanwhile, SweepFiles removes it.
func (c *Certificates) Try(ctx context.Context, use func(dir string, put PutFiles) error) error {
	main := c.files.dir()
	err := c.files.cfg.disk.Do(main, func(func() bool) error { return c.files.makeDir(main) })
	if err != nil {
		return fmt.Errorf("making the folder of certificates: %w", err)
	}
	trial := &certificateFiles{cfg: c.files.cfg, logger: c.files.logger, trial: filepath.Join(main, trialPrefix+rand.Text())}
	put := func(ctx context.Context, files []CertificateFile) error {
		if err := trial.put(ctx, files); err != nil {
			return fmt.Errorf("writing certificates for a check: %w", err)
		}
		return nil
	}
	err = use(trial.trial, put)
	removed := c.files.cfg.disk.Do(main, func(func() bool) error { return os.RemoveAll(trial.trial) })
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok { // nobody knows that folder
		shown := *refused
		shown.Output = strings.ReplaceAll(refused.Output, trial.trial, main)
		err = &shown
	}
	return errors.Join(err, removed)
}
