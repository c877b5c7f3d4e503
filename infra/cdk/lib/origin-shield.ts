// Where CloudFront's Origin Shield is, and which one is near a region that has none:
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/origin-shield.html#choose-origin-shield-region
import { BuildError } from './artifacts.ts';

const SHIELDS = [
  'us-east-1',
  'us-east-2',
  'us-west-2',
  'ap-south-1',
  'ap-northeast-1',
  'ap-northeast-2',
  'ap-southeast-1',
  'ap-southeast-2',
  'eu-central-1',
  'eu-west-1',
  'eu-west-2',
  'sa-east-1',
];

const NEAR: Record<string, string> = {
  'af-south-1': 'eu-west-1',
  'ap-east-1': 'ap-southeast-1',
  'ca-central-1': 'us-east-1',
  'eu-north-1': 'eu-west-2',
  'eu-south-1': 'eu-central-1',
  'eu-west-3': 'eu-west-2',
  'me-south-1': 'ap-south-1',
  'us-west-1': 'us-west-2',
};

/** The region of Origin Shield for an origin in `region`; `auto` is the one that AWS recommends. */
export function originShieldRegion(shield: string, region: string): string {
  if (shield !== 'auto') {
    if (!SHIELDS.includes(shield))
      throw new BuildError(`originShield: ${shield} has none; there is ${SHIELDS.join(', ')}`);
    return shield;
  }
  const found = SHIELDS.includes(region) ? region : NEAR[region];
  if (!found)
    throw new BuildError(
      `originShield: AWS recommends none for ${region}; name one of ${SHIELDS.join(', ')} instead of auto`,
    );
  return found;
}
