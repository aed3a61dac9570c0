package job

import (
	"context"

	"cooper/internal/store/limit"
	"cooper/internal/store/s3"
	"cooper/internal/workspace"
)

// S3 opens buckets of Amazon S3 and of stores that behave like it. The zero value takes
// everything from the environment.
type S3 struct {
	// Endpoint, Region, Profile and Anonymous are those of s3.Config.
	Endpoint, Region, Profile string
	Anonymous                 bool
	// UserAgent names the program to the store.
	UserAgent string
	// Rate and Bandwidth are bounds that all buckets share; nil: none.
	Rate      *limit.Rate
	Bandwidth *limit.Bandwidth
	// Opened is told of each bucket; nil: nobody is.
	Opened func(Traffic)
}

// Check refuses an endpoint that must not be used, before anything is written down.
func (s *S3) Check() error {
	if s.Endpoint == "" {
		return nil
	}
	return s3.CheckEndpoint(s.Endpoint)
}

// Open opens a bucket. What a store was found to lack within the last day is not tried
// again; what turns up is told, and kept in the workspace if there is one.
func (s *S3) Open(ctx context.Context, e *Env, bucket string, concurrency int) (Bucket, error) {
	b, err := s3.Open(ctx, bucket, s3.Config{
		Endpoint: s.Endpoint, Region: s.Region, Profile: s.Profile, Anonymous: s.Anonymous,
		Concurrency: concurrency, UserAgent: s.UserAgent, Rate: s.Rate, Bandwidth: s.Bandwidth,
		Memory: func(endpoint string) ([]s3.Lack, func(s3.Lack)) { return lacks(e, endpoint, bucket) },
	})
	if err != nil {
		return nil, err
	}
	if s.Opened != nil {
		s.Opened(b)
	}
	return b, nil
}

// lacks tells what a store is known to lack, and who is to be told what else it does.
func lacks(e *Env, endpoint, bucket string) (known []s3.Lack, learnt func(s3.Lack)) {
	for _, name := range workspace.Lacks(e.Workspace, endpoint, bucket, e.Clock()) {
		known = append(known, s3.Lack(name))
	}
	return known, func(l s3.Lack) {
		e.tell(Aside, "s3://%s: %s", bucket, l.Without())
		// If it cannot be kept, it is found out again.
		_ = workspace.NoteLack(e.Workspace, endpoint, bucket, string(l), e.Clock())
	}
}
