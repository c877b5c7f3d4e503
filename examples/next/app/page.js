import Image from 'next/image';

const half = { width: '50vw', height: 'auto', display: 'block' };

export default function Page() {
  return (
    <main>
      <h1>next/image</h1>
      <Image src="photo.jpg" width={1600} height={1200} sizes="50vw" style={half} priority alt="Half of the window" />
      <Image src="photo.webp" width={200} height={150} quality={60} alt="200 pixels" />
    </main>
  );
}
