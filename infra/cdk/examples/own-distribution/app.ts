// Images in a distribution that is there already: the site of somebody else, whose `/img/*` becomes image-origin's.
//
//   npx cdk synth --app 'npx tsx app.ts'
import { App, Stack } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { ImageBehavior, ImageEdge, ImageOrigin, PrivateImages } from 'image-origin-cdk';

const app = new App();
const env = { account: '111122223333', region: 'eu-west-1' };
const architecture = process.arch === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64;

const site = new Stack(app, 'site', { env });
const pages = new Bucket(site, 'Pages');
const distribution = new cloudfront.Distribution(site, 'Site', {
  defaultBehavior: { origin: S3BucketOrigin.withOriginAccessControl(pages) },
});

// Keys of objects begin with `img/`, as the paths of the behaviour do.
const originals = new Bucket(site, 'Originals', {
  encryption: BucketEncryption.KMS,
  encryptionKey: new Key(site, 'Key', { enableKeyRotation: true }),
});
const imageOrigin = new ImageOrigin(site, 'Images', {
  bucket: originals,
  architecture,
  memorySize: 3538,
  reservedConcurrentExecutions: 20,
  settings: { max_pixels: 50_000_000 },
});
const edge = new ImageEdge(site, 'Edge', {
  imageOrigin,
  access: {
    rules: [
      { path: '/img/internal/*', allow: ['jwt'] },
      { path: '/img/*', allow: ['public'] },
    ],
    issuers: [
      {
        issuer: 'https://login.example.com/',
        audiences: ['images'],
        jwksUri: 'https://login.example.com/.well-known/jwks.json',
      },
    ],
  },
});
new ImageBehavior(site, 'ImageBehavior', { imageOrigin, edge, originShield: 'auto' }).addTo(distribution, '/img/*');

// Everything at once: each user of a pool sees their own folder.
const members = new Stack(app, 'members', { env: { ...env, region: 'us-east-1' } });
new PrivateImages(members, 'Private', {
  userPoolId: 'eu-west-1_AbCdEfGhI',
  userPoolClientId: '1example23456789',
  function: { architecture, reservedConcurrentExecutions: 5 },
});
