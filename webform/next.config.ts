import type { NextConfig } from "next";

const config: NextConfig = {
  output: "export",
  // Folders with an index.html, which any static file server finds at /ticket/.
  trailingSlash: true,
  images: { unoptimized: true },
};

export default config;
