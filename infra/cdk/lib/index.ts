// The constructs of image-origin. infra/README.md shows what to do with them.
export { PUBLIC, type Access, type AccessIssuer, type AccessRule, type OriginTarget, type UserPool } from './access.ts';
export {
  DistributionAlarms,
  InvalidationAlarms,
  OriginAlarms,
  type AlarmsProps,
  type DistributionAlarmsProps,
  type InvalidationAlarmsProps,
  type OriginAlarmsProps,
} from './alarms.ts';
export { Artifacts, BuildError, type ArtifactsProps, type Feature } from './artifacts.ts';
export { ERROR_RESPONSES, ImageBehavior, type ImageBehaviorProps } from './image-behavior.ts';
export { ImageEdge, type ImageEdgeProps, type Signing } from './image-edge.ts';
export { ImageFunctions, type ImageFunctionsProps } from './image-functions.ts';
export { ImageInvalidation, sendEvents, type ImageInvalidationProps } from './image-invalidation.ts';
export { ImageOrigin, type ImageOriginProps, type Settings } from './image-origin.ts';
export { PrivateImages, type CustomDomain, type PrivateImagesProps } from './private-images.ts';
